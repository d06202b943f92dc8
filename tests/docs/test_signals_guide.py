"""The guide to signals says the codes, limits and names that the product has."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from accounts.models import Scope
from riskengine.api import webhook
from riskengine.api.webhook import ACTIONS, WebhookSerializer
from riskengine.models import SignalState
from riskengine.services.signals import csv_rows, receiving
from riskengine.services.signals.csv_rows import SignalRows
from tests.docs.test_guide import GUIDE, defaults_told, text_of
from tests.docs.test_guide import default as default_of

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = text_of("signals")
SERVICES = ROOT / "riskengine/services/signals"


def codes(*names: str) -> set[str]:
    text = "".join((SERVICES / f"{name}.py").read_text() for name in names)
    return set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+|CORRELATED)"', text)) - {"LONG_CALL", "LONG_PUT"}


def test_every_default_told_is_the_default() -> None:
    told = defaults_told("signals")
    assert len(told) >= 3
    assert told == [(name, default_of(name)) for name, _ in told]


def test_every_code_of_the_door_and_every_reason_to_drop_is_told() -> None:
    found = codes("receiving", "choosing", "picking")
    assert {"NO_CONTRACT", "CORRELATED", "NOT_FILLED", "SIGNAL_CONFLICT"} <= found
    assert {code for code in found if code not in PAGE} == set()
    assert all(state.value in PAGE.lower() for state in (SignalState.NEW, SignalState.TRADED, SignalState.EXPIRED))


def test_every_limit_is_told_as_it_is() -> None:
    for told in (
        f"up to {receiving.MOST} of one source",
        f"up to {receiving.MOST_COMPONENTS} of them",
        f"at most {receiving.LONGEST.days} days after",
        f"at most {webhook.MOST_BYTES // 1024} KB",
        f"{webhook.Messages.rate.partition('/')[0]} a minute",
        f"At most {csv_rows.MOST_ROWS:,} a file",
        f"the scope `{Scope.SIGNALS}`",
    ):
        assert told in PAGE, told


@pytest.mark.django_db
def test_the_message_to_paste_is_one_that_is_taken() -> None:
    (message,) = re.findall(r"```json\n(.*?)```", PAGE, re.S)
    now = datetime(2026, 3, 2, 15, 42, 5, tzinfo=UTC).isoformat()
    sent = json.loads(message.replace("{{timenow}}", now).replace("{{ticker}}", "SPX"))
    serializer = WebhookSerializer(data=sent)
    assert serializer.is_valid(), serializer.errors
    assert ACTIONS[sent["action"]] == "LONG_CALL"
    for action in ("buy", "call", "long", "put"):
        assert action in ACTIONS
    assert not {"sell", "short"} & ACTIONS.keys()


def test_the_file_shown_has_the_columns_of_the_import() -> None:
    assert ",".join((*SignalRows.required, *SignalRows.optional)) in PAGE


def test_every_page_it_leads_to_is_there_and_the_guide_leads_to_it() -> None:
    assert [lead for lead in re.findall(r"\]\(([^)]+)\)", PAGE) if not (GUIDE / lead).exists()] == []
    assert "(signals.md)" in text_of("README")
