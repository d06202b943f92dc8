"""The desk: what it says of a portfolio and of its bets, who may see it, and how many statements it takes."""

import json
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client

from accounts.models import User
from positions.market.calendar import new_york_instant
from positions.models import EquitySnapshot, Heartbeat, OptionQuote, Position, PositionEvent
from positions.selectors import portfolios_for
from riskengine.services.watch.desk import desk
from tests import factories
from tests.riskengine import market
from tests.riskengine.counts import assert_counted
from tests.riskengine.market import MONDAY, Bet

pytestmark = pytest.mark.django_db

LIVE = "/desk/live/"
MORNING_LADDER = (("0.05", 3300), ("0.10", 6600), ("0.15", 10_000))
WEEKLY_LADDER = (("0.20", 2500), ("0.35", 5000), ("0.50", 7500))


@pytest.fixture
def owner() -> User:
    return factories.user("owner")


@pytest.fixture
def zero(owner: User) -> Bet:
    return checked(market.zero_dte(owner=owner))


@pytest.fixture
def seven(owner: User) -> Bet:
    return checked(market.seven_dte(owner=owner))


def checked(bet: Bet, seconds_ago: float = 12) -> Bet:
    Heartbeat.objects.update_or_create(
        portfolio=bet.portfolio,
        scope="risk",
        defaults={"finished_at": bet.wall() - timedelta(seconds=seconds_ago), "market_at": bet.at},
    )
    return bet


def hold(bet: Bet, contracts: int = 4, entry: str = "40.00", **changes: Any) -> Position:
    ladder = changes.pop("ladder", MORNING_LADDER)
    position = bet.hold(bet.contract, contracts, entry, **changes)
    for number, (threshold, share) in enumerate(ladder, start=1):
        factories.exit_slice(
            position, number, threshold=Decimal(threshold), cumulative_share_ten_thousandths=share, changed_at=bet.at
        )
    return position


def shown(bet: Bet, at: datetime | None = None) -> dict[str, Any]:
    """The desk of the bet's owner at a market time, sound as JSON."""
    found = desk(portfolios=list(portfolios_for(bet.portfolio.owner)), now=bet.wall(at))
    json.dumps(found, allow_nan=False)
    return found


def card(bet: Bet, at: datetime | None = None) -> dict[str, Any]:
    return next(each for each in shown(bet, at)["portfolios"] if each["slug"] == bet.portfolio.slug)


def only_bet(bet: Bet, at: datetime | None = None) -> dict[str, Any]:
    (found,) = shown(bet, at)["bets"]
    return found


# ---- Am I safe ----


def test_equity_counts_what_is_open_at_the_bid_and_the_day_from_its_start(zero: Bet) -> None:
    hold(zero, 4, "40.00")
    found = card(zero)
    assert found["equity"] == 60_000 - 16_000 + 4 * 44.00 * 100
    assert found["day_pnl"] == 1_600
    assert found["day_fraction"] == pytest.approx(1_600 / 60_000)
    assert [(level["name"], level["limit"], level["breached"]) for level in found["levels"]] == [
        ("L1", 3_000, False),
        ("L2", 6_000, False),
        ("L3", 12_000, False),
    ]


def test_the_gap_to_zero_is_told_in_dollars_of_equity_and_against_the_emergency_limit(zero: Bet) -> None:
    hold(zero, 4, "40.00")
    found = card(zero)
    assert found["gap"] == -17_600
    assert found["gap_fraction"] == pytest.approx(17_600 / 61_600)
    assert found["gap_multiple"] == pytest.approx(17_600 / 12_000)


def test_exposure_counts_working_openings_at_their_worst_price(zero: Bet) -> None:
    hold(zero, 4, "40.00")
    zero.order(market.spxw("3800"), 2, "30.00")
    found = card(zero)
    assert found["reserved"] == 6_000
    assert found["exposure"] == pytest.approx(4 * 44.20 * 100 + 6_000)
    assert found["exposure_limit"] == 48_000
    assert found["room"] == pytest.approx(48_000 - found["exposure"])
    assert found["buying_power"] == 60_000 - 16_000 - 6_000


def test_losing_bets_reach_the_levels_of_the_day(zero: Bet) -> None:
    hold(zero, 4, "60.00")
    found = card(zero)
    assert found["day_pnl"] == -6_400
    assert [level["breached"] for level in found["levels"]] == [True, True, False]
    assert "the day's loss is at L2" in found["entries"]["reasons"]


def test_a_stale_quote_still_counts_and_says_how_old_it_is(zero: Bet) -> None:
    hold(zero)
    later = zero.at + timedelta(minutes=3)
    found = card(zero, later)
    assert found["is_stale"]
    assert found["stale_seconds"] == 187
    assert found["equity"] == 61_600


def test_without_a_quote_nothing_is_invented(zero: Bet) -> None:
    hold(zero)
    OptionQuote.objects.all().delete()
    found = card(zero)
    assert (found["equity"], found["day_pnl"], found["exposure"], found["gap"], found["room"]) == (None,) * 5
    bet = only_bet(zero)
    assert (bet["bid"], bet["pnl"], bet["gain"]) == (None, None, None)
    assert bet["waits"] == "Never quoted here: tiers wait, the stop does not"


def test_without_the_equity_of_the_start_the_day_is_unknown(zero: Bet) -> None:
    EquitySnapshot.objects.all().delete()
    found = card(zero)
    assert (found["equity"], found["day_pnl"], found["exposure_limit"]) == (60_000, None, None)
    assert "the equity at the start of this session is not known" in found["entries"]["reasons"]


def test_the_age_of_the_last_check_is_wall_time_and_a_late_one_refuses_entries(zero: Bet) -> None:
    assert card(zero)["checks"]["risk"] == {"age_seconds": 12, "late": False, "limit": 90}
    assert card(zero)["entries"]["reasons"] == []
    checked(zero, 91)
    found = card(zero)
    assert found["checks"]["risk"]["late"]
    assert found["entries"]["reasons"] == ["no risk check has finished lately"]
    assert card(zero)["checks"]["exit"]["age_seconds"] is None


def test_the_session_counts_down_to_its_forced_close(zero: Bet) -> None:
    found = card(zero)["session"]
    assert found["is_open"]
    assert found["forced_close_at"] == "2021-01-04T15:45:00-05:00"
    assert found["seconds_to_forced_close"] == 5 * 3600 + 2 * 60 + 53


def test_after_the_close_nothing_can_be_sold(zero: Bet) -> None:
    hold(zero)
    late = new_york_instant(MONDAY, time(16, 5))
    assert card(zero, late)["session"]["is_open"] is False
    assert only_bet(zero, late)["waits"] == "The session is closed: nothing can be sold"
    assert [each["text"] for each in shown(zero, late)["coming"]] == ["session opens"]


# ---- The ladder ----


def test_tiers_stand_where_time_has_put_them(zero: Bet) -> None:
    """1 h 50 min to the close is x0.7, and more than 3 h held x0.9: 5% is 3.15% of 40.00, on the tick above it."""
    hold(zero, entry_at=new_york_instant(MONDAY, time(9, 40)))
    morning = only_bet(zero)
    assert [tier["price"] for tier in morning["tiers"]] == [42.0, 44.0, 46.0]
    at = new_york_instant(MONDAY, time(14, 10))
    bet = only_bet(zero, at)
    assert bet["factor"] == pytest.approx(0.63)
    assert [tier["effective"] for tier in bet["tiers"]] == pytest.approx([0.0315, 0.063, 0.0945])
    assert [tier["price"] for tier in bet["tiers"]] == [41.3, 42.6, 43.8]
    assert [tier["contracts"] for tier in bet["tiers"]] == [1, 2, 1]


def test_the_weekly_target_stands_in_the_last_stage_it_can_reach(seven: Bet) -> None:
    hold(seven, 40, "4.00", ladder=WEEKLY_LADDER, regime="seven_day", initial_stop="3.20", current_stop="3.20")
    bet = only_bet(seven)
    assert [tier["price"] for tier in bet["tiers"]] == [4.8, 5.4, 6.0]
    assert bet["target"] == 6.4, "entry + 3 x the initial risk of 0.80"
    assert bet["runner"] == 10
    assert bet["waits"].startswith("T1 at $4.80 is reached: the next check sells 10")


def test_a_bet_waits_for_the_nearer_of_stop_and_tier(zero: Bet) -> None:
    hold(zero, entry="43.00", current_stop="32.30", initial_stop="32.30")
    assert only_bet(zero)["waits"] == "T1 at $45.20 is 2.7% away"
    zero.quote(bid="33.00", ask="33.40")
    assert only_bet(zero)["waits"] == "Stop at $32.30 is 2.1% away; T1 at $45.20 is 37.0% away"


def test_a_working_order_is_what_a_bet_waits_for(zero: Bet) -> None:
    position = hold(zero)
    stop = factories.exit_order(position, "stop", quantity=4, filled_quantity=1, created_at=zero.at)
    bet = only_bet(zero)
    assert (bet["waits"], bet["tone"], bet["closing"]) == ("Stop order working: 1 of 4 sold", "order", True)
    (order,) = shown(zero)["orders"]
    assert (order["intent"], order["filled"], order["quantity"], order["price"]) == ("Stop", 1, 4, None)
    factories.exit_order(position, "stop", parent=stop, quantity=3, limit_price="41.80", created_at=zero.at)
    (order,) = shown(zero)["orders"]
    assert (order["price"], order["sent"], order["bid"]) == (41.8, 3, 44.0)


def test_an_entry_that_fills_says_so(zero: Bet) -> None:
    position = hold(zero, 1)
    factories.opening_order(
        factories.decision(zero.portfolio, contract=zero.contract, contracts=3, limit_price=Decimal(45)),
        position=position,
        filled_quantity=1,
        created_at=zero.at,
    )
    assert only_bet(zero)["waits"] == "Entry filling: 1 of 3"


def test_breaches_of_the_stop_are_counted_aloud(zero: Bet) -> None:
    hold(zero, stop_breaches=1, stop_breached_at=zero.at)
    assert only_bet(zero)["waits"] == "1 of 2 quotes at or under the stop $20.00"


def test_what_comes_next_names_the_factor_that_moves_the_tiers(zero: Bet) -> None:
    hold(zero, entry_at=new_york_instant(MONDAY, time(10, 12)))
    found = [(each["at"][11:16], each["text"]) for each in shown(zero)["coming"]]
    assert found[:4] == [
        ("11:00", "midday ladder for new entries: 3.0%, 7.0%, 12.0%"),
        ("13:00", "3 h to the close: tiers of SPXW 3,700C ×1 → ×0.8"),
        ("13:12", "3 h held: tiers of SPXW 3,700C ×0.8 → ×0.72"),
        ("14:00", "2 h to the close: tiers of SPXW 3,700C ×0.72 → ×0.63"),
    ]


def test_what_happened_is_told_in_words(zero: Bet) -> None:
    position = hold(zero, quantity_open=3)
    for kind, after, before in (
        ("opened", {"contracts": 4, "price": "40.00", "open": 4}, {}),
        ("slice_pending", {"contracts": 1, "slices": [{"number": 1, "contracts": 1}]}, {}),
        ("sold", {"contracts": 1, "price": "42.10", "open": 3}, {}),
        ("slice_filled", {"slice": 1, "contracts": 1}, {}),
        ("stop_raised", {"stop": 31.0}, {"stop": 30.0}),
        ("something_new", {"answer": 42}, {}),
    ):
        PositionEvent.objects.create(
            position=position, happened_at=zero.at, kind=kind, actor_name="betsizing", after=after, before=before
        )
    factories.refused(zero.portfolio, "MAX_SPREAD", contract=zero.contract, refusal_sentence="The spread is 12%.")
    told = [event["text"] for event in shown(zero)["events"]]
    for sentence in (
        "Opened: bought 4 at $40.00",
        "Tier 1 reached: order to sell 1",
        "Sold 1 at $42.10, 3 left",
        "Tier 1 filled: 1",
        "Stop raised from $30.00 to $31.00",
        "Something new: answer 42",
        "Refused by MAX_SPREAD: The spread is 12%.",
        "ACTIVE: Created.",
    ):
        assert sentence in told


# ---- Pages ----


@pytest.fixture
def client(zero: Bet, owner: User) -> Iterator[Client]:
    with time_machine.travel(zero.wall(), tick=False):
        signed_in = Client()
        signed_in.force_login(owner)
        yield signed_in


def test_the_page_shows_the_ladder_and_the_sentence(client: Client, zero: Bet) -> None:
    position = hold(zero, entry="43.00")
    page = client.get("/desk/").content.decode()
    assert "T1 at $45.20 is 2.7% away" in page
    assert f'data-key="tier-{position.pk}-1"' in page
    assert "▲" in page
    assert "gap" in page.lower()
    assert f"/portfolios/{zero.portfolio.slug}/positions/{position.pk}/" in page


def test_a_stranger_sees_nothing_of_it(client: Client, zero: Bet) -> None:
    position = hold(zero)
    made = factories.decision(zero.portfolio, contract=zero.contract)
    stranger = Client()
    stranger.force_login(factories.user("stranger"))
    assert "No portfolio yet" in stranger.get("/desk/").content.decode()
    slug = zero.portfolio.slug
    for address in (
        f"/portfolios/{slug}/positions/{position.pk}/",
        f"/portfolios/{slug}/positions/{position.pk}/close/",
        f"/decisions/{made.pk}/",
    ):
        assert stranger.get(address).status_code == 404
    for address in (LIVE, "/decisions/", "/orders/"):
        assert zero.portfolio.name not in stranger.get(address).content.decode()


def test_staff_see_every_portfolio(client: Client, zero: Bet) -> None:
    staff = Client()
    staff.force_login(factories.user("staff", is_staff=True))
    assert zero.portfolio.name in staff.get("/desk/").content.decode()


@pytest.mark.parametrize("address", ["/desk/", LIVE, "/decisions/", "/orders/"])
def test_who_is_not_signed_in_is_sent_to_the_sign_in(address: str) -> None:
    assert Client().get(address)["Location"].startswith("/accounts/sign-in/")


@pytest.mark.parametrize("address", ["/desk/", LIVE, "/decisions/", "/orders/"])
def test_pages_are_never_stored_and_leave_nothing_for_the_policy_to_block(
    client: Client, zero: Bet, address: str
) -> None:
    hold(zero)
    answer = client.get(address)
    assert "no-store" in answer["Cache-Control"]
    assert client.post(address).status_code == 405
    page = answer.content.decode()
    assert not any(forbidden in page for forbidden in (" style=", "<style", "onclick"))


def test_an_empty_desk_says_what_will_stand_there(client: Client) -> None:
    page = client.get("/desk/").content.decode()
    assert "Nothing is open." in page
    assert "Entries are open." in page


def test_a_position_page_tells_its_whole_life(client: Client, zero: Bet) -> None:
    position = hold(zero)
    order = factories.opening_order(
        factories.decision(zero.portfolio, contract=zero.contract, contracts=4, limit_price=Decimal(45)),
        position=position,
        quantity=4,
    )
    factories.fill(order, position, quantity=4, price=Decimal("40.00"), quote_bid=Decimal("39.80"))
    page = client.get(f"/portfolios/{zero.portfolio.slug}/positions/{position.pk}/").content.decode()
    for text in (
        "SPXW 3,700 call, 2021-01-04",
        "never past $44.40",
        "$39.80 × not known",
        "Close this position",
        "×1.11",
    ):
        assert text in page


def test_a_position_is_only_found_under_its_own_portfolio(client: Client, zero: Bet, owner: User) -> None:
    position = hold(zero)
    other = factories.portfolio(owner=owner)
    assert client.get(f"/portfolios/{other.slug}/positions/{position.pk}/").status_code == 404


def test_a_closed_position_keeps_its_record(client: Client, zero: Bet) -> None:
    position = hold(zero, quantity_open=0, status="closed", closed_at=zero.at, close_cause="stop")
    page = client.get(f"/portfolios/{zero.portfolio.slug}/positions/{position.pk}/").content.decode()
    assert "Closed by: stop" in page
    assert "Close this position" not in page
    assert "Nothing is open." in client.get("/desk/").content.decode()


def test_decisions_are_listed_the_latest_first_with_code_and_sentence(client: Client, zero: Bet) -> None:
    made = factories.decision(zero.portfolio, contract=zero.contract)
    factories.refused(zero.portfolio, "MAX_VIX", contract=zero.contract, refusal_sentence="VIX is 31; the limit is 30.")
    page = client.get("/decisions/").content.decode()
    assert page.index("VIX is 31; the limit is 30.") < page.index(f"/decisions/{made.pk}/")
    assert "<code>MAX_VIX</code>" in page
    assert "SPXW 3,700 call" in client.get(f"/decisions/{made.pk}/").content.decode()


# ---- Statements ----


def test_the_desk_takes_as_many_statements_for_six_bets_as_for_one(client: Client, zero: Bet) -> None:
    hold(zero)
    client.get(LIVE)
    with assert_counted("desk of one portfolio"):
        client.get(LIVE)
    for strike in range(3600, 3650, 10):
        contract = market.spxw(str(strike))
        market.quote(contract, zero.at.replace(second=0), bid="10.00", ask="10.20")
        position = zero.hold(contract, 1, "9.00")
        factories.exit_slice(position)
        factories.exit_order(position, "stop", created_at=zero.at)
    with assert_counted("desk of one portfolio"):
        client.get(LIVE)
