"""What the guide says of providers is so: its examples can be saved, its codes are the product's."""

import json
import re
from pathlib import Path

from positions.market.providers import base, configuration

PAGE = (Path(__file__).resolve().parents[3] / "docs/guide/providers.md").read_text()


def test_its_examples_are_settings_without_a_mistake() -> None:
    alpaca, http_json = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
    assert configuration.problems(configuration.ALPACA, alpaca) == []
    assert configuration.problems(configuration.HTTP_JSON, http_json) == []


def test_every_code_is_explained_and_no_other() -> None:
    codes = {
        base.TIMEOUT, base.REFUSED, base.UNAVAILABLE, base.RATE_LIMITED, base.GARBAGE, base.ADDRESS_REFUSED,
        base.NOT_CONFIGURED, base.SOURCE_RESERVED, base.FAILED,
    }  # fmt: skip
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE)) == codes


def test_every_field_of_every_kind_is_named() -> None:
    told = {row.split("|")[1].strip(): row for row in PAGE.splitlines() if row.startswith("| ")}
    for kind, shapes in base.SHAPES.items():
        for needed, optional in shapes:
            assert all(f"`{name}`" in told[kind] for name in (*needed, *optional)), kind
