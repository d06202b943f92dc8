"""What a step is judged by, and what steps back: each fault once, and nothing that is no fault."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pytest

from accounts.selectors import latest_revision
from positions.market.calendar import new_york_date, new_york_instant
from positions.models import Broker, EquitySnapshot, ExchangeSession, MarketClock, Mode, OptionQuote, Portfolio
from riskengine.models import AlertTarget, Breaker, BreakerEvent, ReadingPoint, RolloutStep, RolloutTrigger
from riskengine.services.rollout import checklist as judging
from riskengine.services.rollout import evidence
from riskengine.services.rollout.checklist import checklist
from riskengine.services.rollout.stepping import NotSteppable, step
from riskengine.services.rollout.triggers import judge
from tests import factories
from tests.riskengine.market import import_sessions
from tests.riskengine.rollout.test_steps import live, manager, sized

pytestmark = pytest.mark.django_db
SLOT = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def calendar():
    import_sessions()


def sessions_from(day: date, count: int) -> list[ExchangeSession]:
    return list(ExchangeSession.objects.filter(session_on__gte=day).order_by("session_on")[:count])


def watched(of: Portfolio, first: datetime, last: datetime) -> None:
    """A point in each slot from `first` to before `last`."""
    opens = new_york_instant(new_york_date(first), time(9, 30))
    revision = latest_revision(of.profile)
    slots = [opens + SLOT * k for k in range(78)]
    ReadingPoint.objects.bulk_create(
        [
            ReadingPoint(portfolio=of, slot_at=slot, market_at=max(slot, first), revision=revision, equity=60_000)
            for slot in slots
            if first < slot + SLOT and slot < last
        ]
    )


def begins(of: Portfolio, session: ExchangeSession) -> None:
    EquitySnapshot.objects.get_or_create(
        portfolio=of,
        session_on=session.session_on,
        defaults={"equity_start_of_day": 60_000, "cash_start_of_day": 60_000, "taken_at": session.open_at},
    )


def test_an_outage_steps_back_once_while_it_lasts_and_after_it_and_counts_as_one():
    portfolio = live()
    watched(portfolio, factories.NOW, factories.NOW + 20 * MINUTE)
    for minutes in (32, 40, 55):  # the last point is of 11:00
        judge(Portfolio.objects.get(pk=portfolio.pk), now=factories.NOW + minutes * MINUTE)
    watched(portfolio, factories.NOW + 60 * MINUTE, factories.NOW + 90 * MINUTE)
    judge(Portfolio.objects.get(pk=portfolio.pk), now=factories.NOW + 90 * MINUTE)
    assert RolloutTrigger.objects.get().code == "heartbeat"
    assert Portfolio.objects.get().mode == Mode.LIVE_MANUAL


def test_a_session_that_nobody_watched_is_a_gap_and_a_late_look_is_none():
    portfolio = factories.portfolio()
    monday, tuesday = sessions_from(factories.SESSION, 2)
    watched(portfolio, factories.NOW, monday.close_at)
    since = evidence.in_mode_since(portfolio)
    late = tuesday.open_at + 4 * MINUTE
    assert evidence.gaps(portfolio, since, late, SLOT) == []
    found = evidence.gaps(portfolio, since, tuesday.close_at + 60 * MINUTE, SLOT) or []
    assert [(gap.day, gap.minutes) for gap in found] == [(tuesday.session_on, 390.0)]
    ReadingPoint.objects.bulk_create(
        [
            ReadingPoint(
                portfolio=portfolio,
                slot_at=tuesday.open_at + SLOT * k,
                market_at=tuesday.open_at + SLOT * k + timedelta(minutes=4 if k % 2 else 0),
                revision=latest_revision(portfolio.profile),
                equity=60_000,
            )
            for k in range(78)
        ]
    )
    assert evidence.gaps(portfolio, since, tuesday.close_at, SLOT) == []  # up to 9 minutes between two first looks


def test_two_triggers_in_one_look_are_one_step_back():
    portfolio = live()
    at = evidence.in_mode_since(portfolio)
    for _ in range(2):
        sized(portfolio, at, dollars=Decimal(40_000), limit_price=Decimal(140))
    assert judge(portfolio, now=factories.NOW + MINUTE) == 2
    assert (Portfolio.objects.get().mode, RolloutStep.objects.count()) == (Mode.LIVE_MANUAL, 1)


def test_who_judged_an_older_mode_writes_nothing():
    portfolio = live()
    sized(portfolio, evidence.in_mode_since(portfolio), dollars=Decimal(40_000), limit_price=Decimal(140))
    Portfolio.objects.update(mode=Mode.LIVE_MANUAL)
    assert judge(portfolio, now=factories.NOW + MINUTE) == 0
    assert not RolloutTrigger.objects.exists()


@pytest.mark.parametrize(
    ("changes", "triggers"),
    [
        ({"dollars": Decimal(12_000)}, 0),
        ({"dollars": Decimal("11999.98")}, 1),
        ({"dollars": Decimal(24_000), "limit_price": Decimal(80)}, 0),
        ({"dollars": Decimal("24000.02"), "limit_price": Decimal(81)}, 1),
        ({"dollars": Decimal(30_000), "limit_price": Decimal(81), "equity": 90_000.0}, 1),  # of the 60,000 configured
        ({"dollars": Decimal(11_000), "inputs": {"confirms": 1}}, 0),  # the ask fell until it was confirmed
        ({"dollars": Decimal(11_000), "warnings": ["As older rows have them."]}, 1),
        ({"dollars": Decimal(11_000), "warnings": [{"code": "GATES_WAIVED", "text": "So."}]}, 0),
    ],
)
def test_a_size_is_held_against_the_bounds_of_its_revision_on_its_own_equity(changes, triggers):
    portfolio = factories.portfolio()
    sized(portfolio, evidence.in_mode_since(portfolio), **changes)
    assert judge(portfolio, now=factories.NOW + MINUTE) == triggers


def trade(of: Portfolio, number: int, slip: str) -> None:
    """Bought at 44.40 and sold, each `slip` beyond the mid, on spreads of 0.20 in a class of ticks of 0.10."""
    at = factories.NOW + number * MINUTE
    position = factories.position(of, entry_at=factories.NOW)
    spread = {"quantity": 3, "quote_bid": Decimal("44.30"), "quote_ask": Decimal("44.50"), "filled_at": at}
    mid, beyond = Decimal("44.40"), Decimal(slip)
    done = {"reference_mid": mid, "status": "filled", "filled_quantity": 3, "finished_at": at}
    bought = factories.opening_order(position.decision, **done)
    factories.fill(bought, position, price=mid + beyond, **spread)
    sold = factories.exit_order(position, **done)
    factories.fill(sold, position, price=mid - beyond, **spread)
    cost, proceeds, fees = 300 * (mid + beyond), 300 * (mid - beyond), Decimal("1.30")
    type(position).objects.filter(pk=position.pk).update(
        version=2, status="closed", quantity_open=0, closed_at=at, close_cause="stop", average_entry_price=mid + beyond,
        entry_cost=cost, exit_proceeds=proceeds, fees=fees, realised_pnl=proceeds - cost - fees,
    )  # fmt: skip


def test_slippage_is_modelled_in_the_ticks_of_the_contract():
    portfolio = factories.portfolio()
    Portfolio.objects.update(paper_extra_ticks=1)
    portfolio.refresh_from_db()
    since = evidence.in_mode_since(portfolio)
    for number in range(1, 10):
        trade(portfolio, number, "0.20")
    assert evidence.slippage(portfolio, since, 10) is None
    trade(portfolio, 10, "0.20")
    found = evidence.slippage(portfolio, since, 10)
    assert found is not None
    # Half of 0.20 and a tick of 0.10: what a paper fill at the touch and a tick beyond costs is what is modelled.
    assert (found.paid, found.modelled, found.multiple) == (1200.0, 1200.0, 1.0)


def test_a_trigger_on_paper_holds_the_next_step_up_for_twenty_sessions_and_no_longer():
    portfolio = factories.portfolio()
    at = evidence.in_mode_since(portfolio)
    sized(portfolio, at, dollars=Decimal(5_000))
    judge(portfolio, now=factories.NOW + MINUTE)
    sessions = sessions_from(factories.SESSION, 22)

    def triggers() -> bool | None:
        return {each.code: each for each in checklist(portfolio, now=sessions[-1].close_at)}["TRIGGERS"].passed

    for session in sessions[:20]:
        begins(portfolio, session)
    assert triggers() is False
    begins(portfolio, sessions[20])
    assert triggers() is True


def test_under_a_clock_that_stands_sessions_count_from_the_first_decision_under_a_revision():
    """Where a made-up quarter is over, its clock says the same of every wall time: the revision began before it."""
    portfolio = factories.portfolio()
    sessions = sessions_from(factories.SESSION, 5)
    for session in sessions:
        begins(portfolio, session)
    factories.decision(portfolio)
    at = sessions[-1].close_at + 60 * MINUTE
    MarketClock.objects.filter(portfolio=portfolio).update(
        kind="simulated", label="Made up", market_started_at=at, wall_started_at=at, speed=0
    )
    portfolio = Portfolio.objects.get(pk=portfolio.pk)
    items = {each.code: each for each in checklist(portfolio, now=at)}
    assert items["SESSIONS"].value == "5, of which 5 under revision 1"


def test_quotes_of_this_morning_are_no_quotes_now():
    portfolio = factories.portfolio(mode=Mode.OFF)
    known = factories.NOW - 20 * MINUTE
    OptionQuote.objects.create(
        contract=factories.contract(), source=portfolio.quote_source, bid=1, ask=2, bid_size=1, ask_size=1,
        quoted_at=known, changed_at=known, confirmed_at=known,
    )  # fmt: skip
    assert {each.code: each.passed for each in checklist(portfolio, now=factories.NOW)}["QUOTES"] is False
    OptionQuote.objects.update(confirmed_at=factories.NOW - MINUTE)
    assert {each.code: each.passed for each in checklist(portfolio, now=factories.NOW)}["QUOTES"] is True


@pytest.mark.parametrize(("kind", "passed"), [("live", True), ("recorded", False), ("simulated", False)])
@pytest.mark.parametrize("mode", [Mode.PAPER, Mode.LIVE_MANUAL])
def test_what_is_traded_in_a_market_that_is_not_real_does_not_go_to_a_broker(mode: str, kind: str, passed: bool):
    portfolio = live(mode)
    portfolio.clock.kind = kind
    portfolio.clock.market_started_at = portfolio.clock.wall_started_at = factories.NOW
    found = {each.code: each for each in checklist(portfolio, now=factories.NOW)}["LIVE_MARKET"]
    assert (found.passed, found.holds_up) == (passed, not passed)


class FakeBroker:
    """One that can be reached: nothing is asked of it here."""


def test_past_every_item_the_step_to_a_broker_is_signed_and_its_openings_wait_to_be_compared(monkeypatch):
    portfolio = factories.portfolio()
    Portfolio.objects.update(paper_extra_ticks=1)
    sessions = sessions_from(factories.SESSION, 22)
    now = sessions[20].close_at + 60 * MINUTE
    for number, session in enumerate(sessions[:21]):
        begins(portfolio, session)
        watched(portfolio, max(session.open_at, factories.NOW), session.close_at)
        trade(portfolio, number, "0.05")
    for number in range(21, 31):
        trade(portfolio, number, "0.05")
    portfolio.heartbeats.create(scope="risk", finished_at=now, market_at=now)
    AlertTarget.objects.create(name="Desk", kind="email", address="desk@example.com", created_at=now)
    asked = {"to_mode": Mode.LIVE_MANUAL, "from_mode": Mode.PAPER, "name": portfolio.name, "reason": "Looked at."}
    with pytest.raises(NotSteppable, match="No connection to a broker is installed"):
        step(portfolio=portfolio, actor=manager(), now=now, **asked)
    monkeypatch.setattr(judging, "broker_of", lambda portfolio: FakeBroker())
    Portfolio.objects.update(broker=Broker.ALPACA)
    made = step(portfolio=portfolio, actor=manager(), now=now, **asked)
    assert [each["code"] for each in made.checklist if each["holds_up"]] == []
    assert {"SESSIONS", "TRADES", "BOOKS", "EXPLAINED", "WATCHED", "FLAT", "BROKER"} <= {
        each["code"] for each in made.checklist
    }
    found = Portfolio.objects.get()
    assert (found.mode, found.reconciled_at) == (Mode.LIVE_MANUAL, None)


def lost(of: Portfolio, *days: date) -> None:
    """The daily limit tripped at 14:00 of each of these days: one breaker, which has the last of them, and an event for
    each."""
    breaker = Breaker.objects.create(portfolio=of, code="loss_l2", state="clear", session_on=days[-1])
    for day in days:
        BreakerEvent.objects.create(
            breaker=breaker, portfolio=of, code="loss_l2", kind="tripped", happened_at=new_york_instant(day, time(14)),
            recorded_at=factories.NOW, actor_name="risk check", reason="The day's loss is at its limit.",
        )  # fmt: skip


@pytest.mark.parametrize(("first", "triggers"), [(0, 0), (6, 0), (7, 1), (11, 1)])
def test_two_daily_limits_trigger_within_five_sessions_and_not_over_more(first: int, triggers: int):
    portfolio = factories.portfolio()
    sessions = sessions_from(factories.SESSION, 12)
    for session in sessions:
        begins(portfolio, session)
    lost(portfolio, sessions[first].session_on, sessions[11].session_on)
    judge(portfolio, now=sessions[11].close_at)
    assert RolloutTrigger.objects.filter(code="breakers").count() == triggers
