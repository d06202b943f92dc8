"""Who may do what over the API: every endpoint, every kind of caller, on the caller's own portfolio and another's.

The table is compared with the schema: an endpoint that is not in it fails here. An answer that lets the caller in may
still refuse what was asked (400, 404 for a thing in the body or path, 409, 422); 401 and 403 and, on another's
portfolio, 404 are what keeps a caller out.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import ApiToken, Scope, User
from accounts.services import RISK_MANAGERS, ensure_groups, issue_token, revoke_token
from positions.models import Order
from riskengine.models import Alert, Breaker, BreakerCode, BreakerState, Reading, SourceKind
from riskengine.services.signals.webhook import digest_of_secret
from tests import factories
from tests.riskengine import market
from tests.riskengine.entering import checked, enter
from tests.riskengine.market import Bet
from tests.riskengine.signals.sending import send, source
from tests.riskengine.study.compared import finished_comparison

pytestmark = pytest.mark.django_db

OWN, STAFF, LIST, FEED = "its owner and staff", "staff who may", "everybody, each their own", "who may push"
WRITE = "its owner and staff who may"
FIGURES = "risk managers"  # of nobody's account: there is no owner whom it would be hidden from
HOOK = "who knows its secret"
P = "/api/v1/portfolios/{slug}"
# operation -> (the scope a token needs, who is let in)
MATRIX: dict[str, tuple[Scope, str]] = {
    "get /api/v1/alerts/": (Scope.READ, LIST),
    "get /api/v1/alerts/{alert_id}/": (Scope.READ, OWN),
    "post /api/v1/alerts/{alert_id}/acknowledge/": (Scope.TRADE, OWN),
    "post /api/v1/kill/": (Scope.RISK, LIST),
    "get /api/v1/portfolios/": (Scope.READ, LIST),
    f"get {P}/": (Scope.READ, OWN),
    f"get {P}/breakers/": (Scope.READ, OWN),
    f"get {P}/risk/": (Scope.READ, OWN),
    f"post {P}/breakers/{{breaker_id}}/clear/": (Scope.RISK, STAFF),
    f"get {P}/breakers/events/": (Scope.READ, OWN),
    f"get {P}/companies/": (Scope.READ, OWN),
    f"get {P}/contracts/": (Scope.READ, OWN),
    f"get {P}/correlation/": (Scope.READ, OWN),
    f"get {P}/decisions/": (Scope.READ, OWN),
    f"get {P}/decisions/{{decision_id}}/": (Scope.READ, OWN),
    f"post {P}/entries/": (Scope.TRADE, OWN),
    f"post {P}/entries/{{decision_id}}/confirm/": (Scope.TRADE, OWN),
    f"post {P}/kill/": (Scope.RISK, OWN),
    f"get {P}/fills/": (Scope.READ, OWN),
    f"get {P}/lots/": (Scope.READ, OWN),
    f"get {P}/nights/": (Scope.READ, OWN),
    f"get {P}/nights/latest/": (Scope.READ, OWN),
    f"get {P}/nights/{{night_id}}/": (Scope.READ, OWN),
    f"get {P}/orders/": (Scope.READ, OWN),
    f"post {P}/orders/{{order_id}}/cancel/": (Scope.TRADE, OWN),
    f"get {P}/performance/": (Scope.READ, OWN),
    f"get {P}/take-profit/": (Scope.READ, OWN),
    f"get {P}/size-impact/": (Scope.READ, OWN),
    f"get {P}/projection/": (Scope.READ, OWN),
    "post /api/v1/odds/": (Scope.READ, LIST),
    f"get {P}/positions/": (Scope.READ, OWN),
    f"get {P}/positions/{{position_id}}/": (Scope.READ, OWN),
    f"post {P}/positions/{{position_id}}/close/": (Scope.TRADE, OWN),
    f"post {P}/positions/{{position_id}}/close-part/": (Scope.TRADE, OWN),
    f"post {P}/positions/{{position_id}}/tighten-stop/": (Scope.TRADE, OWN),
    f"post {P}/positions/{{position_id}}/notes/": (Scope.TRADE, WRITE),
    f"put {P}/positions/{{position_id}}/tags/": (Scope.TRADE, WRITE),
    f"post {P}/reactivate/": (Scope.RISK, STAFF),
    f"get {P}/reviews/": (Scope.READ, OWN),
    f"get {P}/reviews/{{review_id}}/": (Scope.READ, OWN),
    f"get {P}/reviews/{{review_id}}/pdf/": (Scope.READ, OWN),
    f"post {P}/reviews/{{review_id}}/decide/": (Scope.RISK, WRITE),
    f"post {P}/reviews/{{review_id}}/revision/": (Scope.RISK, WRITE),
    f"get {P}/days/": (Scope.READ, OWN),
    f"get {P}/days/{{day}}/": (Scope.READ, OWN),
    f"get {P}/rollout/": (Scope.READ, OWN),
    f"post {P}/rollout/step/": (Scope.RISK, STAFF),
    f"get {P}/signals/": (Scope.READ, OWN),
    f"post {P}/signals/": (Scope.SIGNALS, OWN),
    f"get {P}/confidence/": (Scope.READ, OWN),
    f"post {P}/confidence/review/": (Scope.RISK, STAFF),
    "get /api/v1/signals/{signal_id}/": (Scope.READ, OWN),
    "post /api/v1/signals/{signal_id}/place/": (Scope.TRADE, OWN),
    "post /api/v1/signals/webhook/{source}/": (Scope.SIGNALS, HOOK),
    f"post {P}/sizing/preview/": (Scope.READ, OWN),
    "get /api/v1/fundamentals/": (Scope.READ, LIST),
    "post /api/v1/fundamentals/": (Scope.FEED, FIGURES),
    "get /api/v1/providers/": (Scope.READ, LIST),
    "post /api/v1/quotes/": (Scope.FEED, FEED),
    "get /api/v1/comparisons/": (Scope.READ, LIST),
    "post /api/v1/comparisons/": (Scope.TRADE, OWN),
    "get /api/v1/comparisons/{comparison_id}/": (Scope.READ, OWN),
    "post /api/v1/comparisons/{comparison_id}/cancel/": (Scope.TRADE, OWN),
    "get /api/v1/replays/": (Scope.READ, LIST),
    "post /api/v1/replays/": (Scope.TRADE, LIST),
    "get /api/v1/replays/{replay_id}/": (Scope.READ, OWN),
    "post /api/v1/replays/{replay_id}/cancel/": (Scope.TRADE, OWN),
    "get /api/v1/replays/{replay_id}/report/": (Scope.READ, OWN),
}
# Everything that a name opens; a webhook is opened by its secret alone, whoever asks.
NAMED = [operation for operation, (_, who) in MATRIX.items() if who != HOOK]
WEBHOOK = "post /api/v1/signals/webhook/{source}/"
SIGNAL = {"id": "1", "confidence": "0.70"}
BODIES: dict[str, dict[str, Any]] = {
    "portfolios/{slug}/signals/": SIGNAL | {"source": "by-api", "symbol": "SPX", "direction": "LONG_CALL"},
    "review/": {"tier": "0.7", "reason": "Looked at."},
    "decide/": {"answers": {"luck": "No."}, "decision": "keep", "reason": "Looked at."},
    "revision/": {"revision": 2},
    "place/": {"contract": "SPXW  210104C03700000"},
    "entries/": {"contract": "SPXW  210104C03700000", "confidence": "0.70"},
    "preview/": {"contract": "SPXW  210104C03700000", "confidence": "0.70"},
    "clear/": {"reason": "Looked at."},
    "close-part/": {"contracts": 1},
    "notes/": {"text": "Looked at."},
    "tags/": {"tags": ["drill"]},
    "tighten-stop/": {"stop": "30.00", "reason": "Enough."},
    "kill/": {"reason": "A drill."},
    "reactivate/": {"reason": "Looked at."},
    "rollout/step/": {"from_mode": "paper", "to_mode": "off", "name": "Another", "reason": "Looked at."},
    "quotes/": {"source": "fed", "quotes": []},
    "odds/": {"win_probability": "0.55", "gain": "0.2", "loss": "0.2", "fractions": ["0.2"], "bets": 2},
    "comparisons/": {"portfolio": "{slug}", "days": ["2021-01-04"], "revision_a": 1, "revision_b": 1},
    "replays/": {
        "date": "2021-01-04",
        "portfolio": "smart-0dte",
        "entries": [{"at": "09:40", "contract": "SPXW210104C03700000", "confidence": "0.7"}],
    },
}


@dataclass(slots=True)
class World:
    bet: Bet
    paths: dict[str, Any]

    def send(self, operation: str, client: Client, **headers: str) -> int:
        method, path = operation.split(" ", 1)
        address = path.format(**self.paths)
        if method == "get":
            return client.get(address, headers=headers).status_code
        body = next((body for end, body in BODIES.items() if path.endswith(end)), {})
        send = client.put if method == "put" else client.post
        text = json.dumps(body).replace("{slug}", self.paths["slug"])
        return send(address, text, content_type="application/json", headers=headers).status_code


@pytest.fixture(scope="module")
def world(shared_rows: None) -> World:
    ensure_groups()
    bet = checked(market.zero_dte(owner=factories.user("owner")))
    made = enter(bet)
    position = bet.hold(bet.contract, 2, "44.00")
    Reading.objects.create(portfolio=bet.portfolio, state="unknown", reason="A drill.", judged_at=bet.wall())
    breaker = Breaker.objects.create(
        portfolio=bet.portfolio, code=BreakerCode.VIX, state=BreakerState.CLEAR, session_on=market.MONDAY
    )
    alert = Alert.objects.create(
        portfolio=bet.portfolio,
        code="drill",
        severity="info",
        key="drill",
        title="A drill",
        happened="Nothing.",
        to_do="Nothing.",
        raised_at=bet.wall(),
        last_seen_at=bet.wall(),
        staged_at=bet.wall(),
    )
    signal = send(bet, of=source(bet, slug="by-api"))
    source(bet, SourceKind.WEBHOOK, slug="hook", secret_hash=digest_of_secret("the secret"))
    replay = factories.finished_replay(bet.portfolio.owner, bet.wall(), market.MONDAY)
    return World(
        bet,
        {
            "slug": bet.portfolio.slug,
            "decision_id": made.decision.pk,
            "order_id": Order.objects.get().pk,
            "position_id": position.pk,
            "breaker_id": breaker.pk,
            "alert_id": alert.pk,
            "replay_id": replay.pk,
            "comparison_id": finished_comparison(bet.portfolio, bet.wall(), market.MONDAY).pk,
            "signal_id": signal.pk,
            "source": "hook",
            "night_id": factories.night_report(bet.portfolio, market.MONDAY).pk,
            "review_id": factories.review(bet.portfolio, market.MONDAY).pk,
            "day": factories.day_report(bet.portfolio, market.MONDAY).session_on.isoformat(),
        },
    )


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def risk_manager() -> User:
    user = factories.user("manager", is_staff=True)
    user.groups.add(Group.objects.get(name=RISK_MANAGERS))
    return user


def bearer(user: User, *scopes: Scope, days: int = 1) -> tuple[ApiToken, str]:
    now = timezone.now() - timedelta(days=2)
    token, secret = issue_token(user=user, name="test", scopes=scopes, now=now, valid_for=timedelta(days=2 + days))
    return token, f"Bearer {secret}"


def is_kept_out(status: int) -> bool:
    return status in (401, 403, 404)


def test_the_table_has_every_endpoint_of_the_schema() -> None:
    out = StringIO()
    call_command("spectacular", "--format", "openapi-json", stdout=out)
    paths = json.loads(out.getvalue())["paths"]
    assert {f"{method} {path}" for path, item in paths.items() for method in item} == MATRIX.keys()


@pytest.mark.parametrize("operation", NAMED)
def test_nobody_is_let_in_without_a_name(world: World, operation: str) -> None:
    assert world.send(operation, Client()) == 401
    assert world.send(operation, Client(), Authorization="Bearer bsz_nonsense") == 401


@pytest.mark.parametrize("operation", NAMED)
def test_what_is_a_stranger_s_does_not_exist(world: World, operation: str) -> None:
    status = world.send(operation, signed_in(factories.user("stranger")))
    _, who = MATRIX[operation]
    assert status in {OWN: [404], STAFF: [404], WRITE: [404], LIST: [200, 202], FEED: [403], FIGURES: [403]}[who]


@pytest.mark.parametrize("operation", NAMED)
def test_an_owner_may_all_but_what_is_kept_for_staff(world: World, operation: str) -> None:
    status = world.send(operation, signed_in(world.bet.portfolio.owner))
    _, who = MATRIX[operation]
    if who in (STAFF, FEED, FIGURES):
        assert status == 403
    else:
        assert not is_kept_out(status), status


@pytest.mark.parametrize("operation", NAMED)
def test_a_risk_manager_may_all_of_everybody_s(world: World, operation: str) -> None:
    status = world.send(operation, signed_in(risk_manager()))
    _, who = MATRIX[operation]
    if who == FEED:
        assert status == 403  # pushing prices is no part of managing risk
    else:
        assert not is_kept_out(status), status


@pytest.mark.parametrize("operation", NAMED)
def test_staff_without_a_permission_see_all_and_neither_stop_nor_clear(world: World, operation: str) -> None:
    status = world.send(operation, signed_in(factories.user("clerk", is_staff=True)))
    _, who = MATRIX[operation]
    assert is_kept_out(status) == (who in (STAFF, FEED, WRITE, FIGURES) or operation.endswith("kill/")), status


@pytest.mark.parametrize("operation", NAMED)
def test_a_token_needs_the_scope_of_what_it_does(world: World, operation: str) -> None:
    scope, _ = MATRIX[operation]
    user = factories.user("root", is_staff=True, is_superuser=True)
    _, right = bearer(user, scope)
    _, wrong = bearer(user, *(each for each in Scope if each != scope))
    assert world.send(operation, Client(), Authorization=wrong) == 403
    assert not is_kept_out(world.send(operation, Client(), Authorization=right))


@pytest.mark.parametrize("operation", NAMED)
def test_a_token_that_has_ended_is_nobody_s(world: World, operation: str) -> None:
    user = factories.user("root", is_staff=True, is_superuser=True)
    _, expired = bearer(user, *Scope, days=-1)
    token, revoked = bearer(user, *Scope)
    revoke_token(token=token, now=timezone.now())
    assert world.send(operation, Client(), Authorization=expired) == 401
    assert world.send(operation, Client(), Authorization=revoked) == 401


@pytest.mark.parametrize("operation", NAMED)
def test_a_token_gives_no_more_than_its_user_has(world: World, operation: str) -> None:
    _, theirs = bearer(factories.user("stranger"), *Scope)
    _, who = MATRIX[operation]
    status = world.send(operation, Client(), Authorization=theirs)
    assert status in {OWN: [404], STAFF: [404], WRITE: [404], LIST: [200, 202], FEED: [403], FIGURES: [403]}[who]


def test_an_account_that_was_closed_is_let_in_nowhere(world: World) -> None:
    user = world.bet.portfolio.owner
    _, theirs = bearer(user, *Scope)
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert {world.send(operation, Client(), Authorization=theirs) for operation in NAMED} == {401}


def test_a_webhook_is_opened_by_its_secret_and_by_nobody_s_name(world: World) -> None:
    root = factories.user("root", is_staff=True, is_superuser=True)
    _, all_scopes = bearer(root, *Scope)
    for client, headers in ((Client(), {}), (signed_in(root), {}), (Client(), {"Authorization": all_scopes})):
        assert world.send(WEBHOOK, client, **headers) == 403
        assert world.send(WEBHOOK, client, **headers, **{"X-Signal-Secret": "another"}) == 403
        assert world.send(WEBHOOK, client, **headers, **{"X-Signal-Secret": "the secret"}) == 400


def test_who_may_send_signals_may_place_nothing(world: World) -> None:
    _, sender = bearer(world.bet.portfolio.owner, Scope.SIGNALS)
    let_in = {each for each in NAMED if world.send(each, Client(), Authorization=sender) != 403}
    assert let_in == {f"post {P}/signals/"}
