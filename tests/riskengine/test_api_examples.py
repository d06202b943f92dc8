"""The examples of the schema: every endpoint has them, they are of the shape the schema says, with the numbers and the
limits, and their sentences are those that the product says."""

import json
import re
from collections.abc import Iterator
from io import StringIO
from typing import Any

import jsonschema
import pytest
from django.core.management import call_command

from riskengine.api.examples import deciding, guarding
from riskengine.calculators.trace import sentence
from riskengine.models import BreakerCode
from riskengine.services.watch import breaker_words
from riskengine.services.watch.kill import FlattenUnconfirmed

JSON = "application/json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=out)
    return json.loads(out.getvalue())


def operations(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield f"{method} {path}", operation


def examples_of(part: dict[str, Any]) -> dict[str, Any]:
    content = part.get("content", {}).get(JSON, {})
    return {name: each["value"] for name, each in content.get("examples", {}).items()}


def plain(schema: Any) -> Any:
    """OpenAPI's `nullable` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    given = {name: plain(each) for name, each in schema.items() if name != "nullable"}
    return {"anyOf": [given, {"type": "null"}]} if schema.get("nullable") is True else given


def problems(schema: dict[str, Any], part: dict[str, Any], value: Any) -> list[str]:
    shape = plain(part["content"][JSON]["schema"]) | {"components": plain(schema["components"])}
    return [error.message[:200] for error in jsonschema.Draft202012Validator(shape).iter_errors(value)]


def has_numbers(value: Any) -> bool:
    """A figure other than the numbers of rows."""
    if isinstance(value, dict):
        return any(has_numbers(each) for name, each in value.items() if name not in ("id", "next", "previous"))
    if isinstance(value, list):
        return any(map(has_numbers, value))
    if isinstance(value, str):
        return re.fullmatch(r"-?\d+(\.\d+)?", value) is not None
    return isinstance(value, int | float) and not isinstance(value, bool)


def refusals(schema: dict[str, Any], name: str, status: str = "422") -> dict[str, str]:
    """Code and sentence of the examples of an error."""
    part = dict(operations(schema))[name]["responses"][status]
    return {error["code"]: error["message"] for value in examples_of(part).values() for error in value["errors"]}


WITHOUT_NUMBERS = {  # the answer is words
    "post /api/v1/signals/webhook/{source}/",
    "post /api/v1/portfolios/{slug}/reactivate/",
    "post /api/v1/portfolios/{slug}/rollout/step/",
    "post /api/v1/portfolios/{slug}/positions/{position_id}/notes/",
    "put /api/v1/portfolios/{slug}/positions/{position_id}/tags/",
    "get /api/v1/portfolios/{slug}/days/",
}
FILES = {"get /api/v1/portfolios/{slug}/reviews/{review_id}/pdf/"}  # no JSON


def test_every_endpoint_shows_an_answer_with_its_numbers(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        if name in FILES:
            continue
        good = {status: part for status, part in operation["responses"].items() if status < "300"}
        for status, part in good.items():
            shown = examples_of(part)
            assert shown, (name, status)
            assert name in WITHOUT_NUMBERS or any(map(has_numbers, shown.values())), (name, status)


def test_every_body_that_is_not_empty_is_shown(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        if "requestBody" in operation:
            assert examples_of(operation["requestBody"]) or name.endswith(("clear/", "reactivate/")), name


def test_every_refusal_of_the_domain_is_shown(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        if "422" in operation["responses"]:
            assert refusals(schema, name), name


def test_every_example_is_of_the_shape_the_schema_says(schema: dict[str, Any]) -> None:
    looked_at = 0
    for name, operation in operations(schema):
        parts = [*operation["responses"].items(), ("body", operation.get("requestBody", {}))]
        for status, part in parts:
            for title, value in examples_of(part).items():
                assert problems(schema, part, value) == [], (name, status, title)
                looked_at += 1
    assert looked_at > 200


def test_an_example_of_another_shape_would_be_found(schema: dict[str, Any]) -> None:
    part = dict(operations(schema))["get /api/v1/portfolios/{slug}/positions/{position_id}/"]["responses"]["200"]
    shown = deciding.POSITION_DETAIL
    assert problems(schema, part, shown) == []
    assert problems(schema, part, shown | {"quantity_open": "two"})
    assert problems(schema, part, shown | {"regime": "night"})
    assert problems(schema, part, {name: value for name, value in shown.items() if name != "slices"})


def test_an_error_is_shown_in_the_one_shape(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        for status, part in operation["responses"].items():
            if status >= "400":
                for value in examples_of(part).values():
                    assert set(value) == {"errors"}, (name, status)
                    assert all(set(each) == {"code", "message", "field"} for each in value["errors"]), (name, status)


# ---- With value and limit, in the product's words ----


@pytest.mark.parametrize(
    "name", ["post /api/v1/portfolios/{slug}/entries/", "get /api/v1/portfolios/{slug}/decisions/{decision_id}/"]
)
def test_a_refused_entry_shows_code_sentence_value_and_limit(schema: dict[str, Any], name: str) -> None:
    responses = dict(operations(schema))[name]["responses"]
    shown = [value for part in responses.values() for value in examples_of(part).values() if value.get("refusal")]
    assert shown
    for value in shown:
        [gate] = [gate for gate in value["gates"] if not gate["passed"]]
        assert (gate["rule"], gate["sentence"]) == (value["refusal"]["code"], value["refusal"]["sentence"])
        assert (gate["input"], gate["limit"], gate["unit"]) == (0.6, 0.65, "confidence")


def test_a_refused_preview_shows_code_sentence_value_and_limit(schema: dict[str, Any]) -> None:
    part = dict(operations(schema))["post /api/v1/portfolios/{slug}/sizing/preview/"]["responses"]["200"]
    [shown] = [value for value in examples_of(part).values() if value["answer"]["refusal"]]
    [gate] = [gate for gate in shown["trace"]["gates"] if not gate["passed"]]
    assert gate["sentence"] == shown["answer"]["refusal"]["sentence"] == shown["answer"]["sentence"]
    assert gate["sentence"] == sentence(gate["rule"], gate["unit"], gate["input"], gate["limit"])


def test_what_cannot_be_sized_shows_value_and_limit_in_its_sentence(schema: dict[str, Any]) -> None:
    said = refusals(schema, "post /api/v1/portfolios/{slug}/sizing/preview/")
    assert said == {"STALE_QUOTE": sentence("STALE_QUOTE", "seconds", 187.0, 10.0)}


def test_a_late_confirmation_shows_its_age_and_its_limit() -> None:
    assert deciding.LATE["sentence"] == sentence("DECISION_EXPIRED", "seconds", 75.0, 60.0)


@pytest.mark.parametrize("name", ["breakers/", "breakers/events/", "breakers/{breaker_id}/clear/"])
def test_a_breaker_shows_value_and_limit(schema: dict[str, Any], name: str) -> None:
    method = "post" if name.endswith("clear/") else "get"
    part = dict(operations(schema))[f"{method} /api/v1/portfolios/{{slug}}/{name}"]["responses"]["200"]
    [shown] = examples_of(part).values()
    rows = shown if isinstance(shown, list) else shown.get("results", [shown])
    assert [(row["value"], row["limit"]) for row in rows] == [("6210.000000", "6000.000000")]


def test_a_trip_is_told_as_the_product_tells_it() -> None:
    seen = {"equity": 53790.0, "confirmed_equity": 53810.0, "basis": 60000.0}
    watched: Any = None
    assert guarding.BREAKER_EVENT["reason"] == breaker_words.tripped("loss_l2", watched, 6210.0, 6000.0, 60000.0)
    assert guarding.BREAKER_EVENT["trace"] == breaker_words.trace("loss_l2", 6210.0, 6000.0, seen)
    assert guarding.BREAKER["label"] == BreakerCode("loss_l2").label


def test_an_alert_shows_value_limit_and_what_to_do(schema: dict[str, Any]) -> None:
    for name in (
        "get /api/v1/alerts/",
        "get /api/v1/alerts/{alert_id}/",
        "post /api/v1/alerts/{alert_id}/acknowledge/",
    ):
        [shown] = examples_of(dict(operations(schema))[name]["responses"]["200"]).values()
        [alert] = shown.get("results", [shown])
        assert (alert["value"], alert["limit"], alert["unit"]) == ("5.000000", "15.000000", "minutes")
        assert alert["happened"]
        assert alert["to_do"]


def test_the_sentence_of_an_unconfirmed_flatten_is_the_product_s() -> None:
    assert str(FlattenUnconfirmed()) == guarding.FLATTEN_UNCONFIRMED
