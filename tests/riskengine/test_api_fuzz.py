"""Whatever is sent to whatever address with a good token: no 5xx, and no answer that the schema does not describe."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from django.core import signals
from django.db import close_old_connections
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import Scope
from accounts.services import issue_token
from betsizing.wsgi import application
from positions.models import Portfolio
from riskengine.models import Alert, Breaker, SourceKind
from riskengine.services.signals.webhook import digest_of_secret
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked, enter
from tests.riskengine.signals.sending import send, source
from tests.riskengine.study.compared import finished_comparison

pytestmark = pytest.mark.django_db
CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)


@pytest.fixture(autouse=True)
def one_transaction() -> Iterator[None]:
    """A server gives its connection back after each answer; here all of them stand in the test's own transaction."""
    both = (signals.request_started, signals.request_finished)
    for signal in both:
        signal.disconnect(close_old_connections)
    yield
    for signal in both:
        signal.connect(close_old_connections)


@pytest.fixture
def real() -> dict[str, Any]:
    """Path parameters of things that are there."""
    bet = checked(market.zero_dte(owner=factories.user("owner", is_staff=True)))
    made = enter(bet)
    position = bet.hold(bet.contract, 2, "44.00")
    breaker = Breaker.objects.filter(portfolio=bet.portfolio).first()
    alert = Alert.objects.filter(portfolio=bet.portfolio).first()
    signal = send(bet, of=source(bet, slug="by-api"))
    source(bet, SourceKind.WEBHOOK, slug="hook", secret_hash=digest_of_secret("the secret"))
    replay = factories.finished_replay(bet.portfolio.owner, bet.wall(), market.MONDAY)
    return {
        "slug": bet.portfolio.slug,
        "decision_id": made.decision.pk,
        "order_id": made.order.pk if made.order else 1,
        "position_id": position.pk,
        "breaker_id": breaker.pk if breaker else 1,
        "alert_id": alert.pk if alert else 1,
        "replay_id": replay.pk,
        "comparison_id": finished_comparison(bet.portfolio, bet.wall(), market.MONDAY).pk,
        "signal_id": signal.pk,
        "source": "hook",
        "night_id": factories.night_report(bet.portfolio, market.MONDAY).pk,
        "review_id": factories.review(bet.portfolio, market.MONDAY).pk,
        "day": factories.day_report(bet.portfolio, market.MONDAY).session_on.isoformat(),
    }


def test_every_answer_is_one_that_the_schema_describes(real: dict[str, Any]) -> None:
    owner = Portfolio.objects.get().owner
    _, secret = issue_token(
        user=owner, name="fuzz", scopes=list(Scope), now=timezone.now(), valid_for=timedelta(days=1)
    )
    signed = {"Authorization": f"Bearer {secret}", "X-Signal-Secret": "the secret"}
    schema = schemathesis.openapi.from_wsgi("/api/v1/schema/?format=json", application)
    looked_at = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy(), is_real=st.booleans())
        @settings(max_examples=15, phases=[Phase.generate], suppress_health_check=list(HealthCheck), derandomize=True)
        def answered(case: Any, is_real: bool) -> None:
            if is_real:
                given_names = case.path_parameters or {}
                case.path_parameters = {name: real.get(name, value) for name, value in given_names.items()}
            response = case.call(headers=signed)
            case.validate_response(response, checks=CHECKS)

        answered()
        looked_at += 1
    assert looked_at >= 29
