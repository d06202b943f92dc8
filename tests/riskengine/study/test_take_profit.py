"""What tiers did, what other ladders would have, and putting one in force: service, page, API."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied, ValidationError
from django.test import Client
from django.utils import timezone

from accounts.defaults import MAG7_7DTE, Step
from accounts.models import User
from accounts.selectors import ladders_of, latest_revision
from accounts.services import StaleRevisionError, ensure_groups, hold_limit
from positions.models import ExitSlice, Order, PartialProfitTaking, Portfolio, Position
from positions.services.working import work_orders
from riskengine.models import PositionMark
from riskengine.services.decide.plan import exit_plan
from riskengine.services.study import ladder_study
from riskengine.services.study.ladder_revision import take_ladder
from riskengine.services.study.ladder_study import suggestion, what_if
from riskengine.services.study.tier_record import tier_record
from tests import factories
from tests.riskengine.counts import assert_counted
from tests.riskengine.market import WALL, import_sessions
from tests.riskengine.study.odd import DAYS, account
from tests.riskengine.watch.desk import zero

pytestmark = pytest.mark.django_db

MORNING = "take_profit_morning"
MINUTE = timedelta(minutes=1)
Taken = tuple[int, int, str]  # tier, contracts, price


@pytest.fixture
def portfolio() -> Portfolio:
    import_sessions()
    return account(slug="tiers")


def sale(of: Position, intent: str, quantity: int, price: str, at: datetime, **changes: Any) -> tuple[Order, Any]:
    done = {"status": "filled", "filled_quantity": quantity, "created_at": at, "finished_at": at}
    order = factories.exit_order(of, intent, quantity=quantity, **done | changes)
    return order, factories.fill(order, of, quantity=quantity, price=Decimal(price), filled_at=at)


def bet(
    of: Portfolio,
    taken: list[Taken],
    last: tuple[int, str] | None,
    *,
    day: int = 0,
    late: int = 0,
    expires: date | None = None,
) -> Position:
    """3 contracts at $10 of a contract that expires that day; each tier sold what it says, the stop the rest."""
    at = datetime.combine(DAYS[day], factories.NOW.timetz()) + late * MINUTE
    contract = factories.contract(expires=expires or DAYS[day])
    made = factories.decision(of, contract=contract, decided_at=at, expires_at=at + MINUTE)
    position = factories.position(
        of,
        decision=made,
        status="closed",
        quantity_open=0,
        average_entry_price=Decimal(10),
        entry_cost=Decimal(3000),
        initial_stop=Decimal("7.50"),
        current_stop=Decimal("7.50"),
        high_water=Decimal(10),
        entry_at=at,
        closed_at=at + timedelta(hours=1),
        close_cause="stop",
        realised_pnl=Decimal("100.00"),
        fees=Decimal("3.90"),
    )
    sold = {tier: (contracts, price) for tier, contracts, price in taken}
    for tier, (threshold, share) in enumerate((("0.05", 3300), ("0.10", 6600), ("0.15", 10000)), 1):
        contracts, price = sold.get(tier, (0, ""))
        planned = ExitSlice.objects.create(
            position=position,
            number=tier,
            threshold=Decimal(threshold),
            cumulative_share_ten_thousandths=share,
            state="filled" if contracts else "cancelled",
            contracts_filled=contracts,
            changed_at=at,
        )
        if contracts:
            _, fill = sale(position, "slice", contracts, price, at + tier * MINUTE, slice=planned)
            PartialProfitTaking.objects.create(
                position=position,
                slice=planned,
                fill=fill,
                contracts=contracts,
                closed_fraction=Decimal(contracts) / 3,
                price=Decimal(price),
                profit_fraction=Decimal(price) / 10 - 1,
                taken_at=fill.filled_at,
            )
    if last is not None:
        sale(position, "stop", last[0], last[1], position.closed_at)
    return position


def marks(of: Position, bids: list[float | None], *, every: int = 1, to_close: float | None = None) -> None:
    """The minutes after the entry; then, every five minutes, one price to the forced close."""
    rows = [(of.entry_at + (k + 1) * every * MINUTE, bid) for k, bid in enumerate(bids)]
    if to_close is not None:
        at, ends = rows[-1][0], of.entry_at.replace(hour=20, minute=50, second=0)
        while at < ends:
            at += 5 * MINUTE
            rows.append((at, to_close))
    PositionMark.objects.bulk_create(
        PositionMark(
            position=of,
            slot_at=at.replace(second=0, microsecond=0),
            marked_at=at,
            bid=None if bid is None else Decimal(f"{bid:.2f}"),
            ask=None if bid is None else Decimal(f"{bid + 0.1:.2f}"),
        )
        for at, bid in rows
    )


def test_no_position_says_nothing(portfolio: Portfolio) -> None:
    found = tier_record(portfolio, now=WALL)
    json.dumps(found, allow_nan=False)
    assert (found["positions"], found["tiers"]) == (0, [])
    tried = what_if(portfolio, MORNING, None, now=WALL)
    json.dumps(tried, allow_nan=False)
    assert tried["present"]["gain"] is None
    assert suggestion(portfolio, MORNING, now=WALL)["refusal"] == (
        "0 of the 50 trades with a whole path that a suggestion needs."
    )


def test_taken_against_held_to_the_final_exit(portfolio: Portfolio) -> None:
    bet(portfolio, [(1, 1, "10.50")], (2, "9.00"))  # took 50, holding would have lost 100
    bet(portfolio, [(1, 1, "10.50"), (2, 1, "11.00"), (3, 1, "11.50")], None, day=1)  # 50 against 150, 100 against 150
    bet(portfolio, [], (3, "7.40"), day=2)
    found = {each["tier"]: each for each in tier_record(portfolio, now=WALL)["tiers"]}
    first, second, third = found[1], found[2], found[3]
    assert (first["hits"], first["positions"], first["compared"]) == (2, 3, 2)
    assert (first["taken"], first["held"], first["difference"]) == (100.0, 50.0, 50.0)
    assert first["verdict"].startswith("Tier 1 took $50.00 more than holding to the final exit, 2 times; the 95%")
    assert first["verdict"].endswith("includes 0.")
    assert (second["compared"], second["difference"]) == (1, -50.0)
    assert "gave up $50.00 against holding to the final exit, once: one comparison" in second["verdict"]
    assert (third["hits"], third["compared"], third["difference"]) == (1, 0, None)
    assert third["verdict"] == (
        "Tier 3 ended every position that it sold of: there is no later exit to compare it with."
    )


def test_a_narrow_interval_of_a_few_is_no_proof(portfolio: Portfolio) -> None:
    """Two at almost one price: the interval lies above nothing, and two tell nothing."""
    for day, last in enumerate(("9.00", "9.01")):
        marks(bet(portfolio, [(1, 1, "10.50")], (2, last), day=day), [10.5], to_close=9.0 + day / 100)
    first = tier_record(portfolio, now=WALL)["tiers"][0]
    caution = "does not include 0, and 30 trades or fewer still cannot tell that from luck."
    assert first["sure"]
    assert first["verdict"].endswith(caution)
    assert what_if(portfolio, MORNING, None, now=WALL)["held_verdict"].endswith(caution)


def test_what_was_settled_is_held_to_its_settlement(portfolio: Portfolio) -> None:
    of = bet(portfolio, [(1, 1, "10.50")], None)
    # 1 sold at 10.50, 2 settled at 12.00: proceeds 1,050 + 2,400
    Position.objects.filter(pk=of.pk).update(close_cause="settled", exit_proceeds=Decimal("3450.00"), version=2)
    first = tier_record(portfolio, now=WALL)["tiers"][0]
    assert (first["taken"], first["held"]) == (50.0, 200.0)


def test_a_tier_that_was_too_small_to_sell_was_reached() -> None:
    """A single contract, by the checks of every day: tier 1 of a third is carried on, then the stop sells it."""
    desk = zero()
    desk.hold(1)
    for at, bid in (("10:43:00", "42.00"), ("10:44:00", "26.00")):
        desk.quote(at, bid, f"{Decimal(bid) + Decimal('0.40')}")
        desk.check(at)
    for second in (1, 31):
        work_orders(now=desk.bet.wall(desk.at(f"10:44:{second:02}")), plan=exit_plan)
    assert Position.objects.get().status == "closed"
    tiers = {
        each["tier"]: each for each in tier_record(desk.portfolio, now=desk.bet.wall(desk.at("10:50:00")))["tiers"]
    }
    assert [(tiers[k]["hits"], tiers[k]["deferred"], tiers[k]["positions"]) for k in (1, 2)] == [(1, 1, 1), (0, 0, 1)]
    assert tiers[1]["hit_rate"] == 1.0
    assert tiers[1]["verdict"] == "Tier 1 was reached once, and its share was too small to sell a contract."
    assert tiers[2]["verdict"] == "Tier 2 sold nothing in 1 position."


def test_another_ladder_on_the_kept_minutes(portfolio: Portfolio) -> None:
    rises = bet(portfolio, [(1, 1, "10.40")], (2, "9.00"))
    marks(rises, [10.2, 10.5, 11.2, 10.0], to_close=9.0)
    short = bet(portfolio, [], (3, "9.00"), day=1)
    marks(short, [10.1, 10.2])
    bet(portfolio, [], (3, "9.00"), day=2)  # nothing was kept
    asked = (Step(Decimal("0.02"), Decimal(1)),)
    found = what_if(portfolio, MORNING, asked, now=WALL)
    json.dumps(found, allow_nan=False)
    assert (found["trades"], found["with_path"]) == (3, 2)
    fees = found["asked"]["gain"] - (10.1 / 10.0 - 1.0)  # both sell all at 10.20 less a tick
    assert fees == pytest.approx(-2 * 0.65 / 1000, abs=1e-9)
    assert (found["asked"]["n"], found["asked"]["not_known"]) == (2, 1)
    # 1 at 10.40 and 1 at 11.10, the last at the forced close of 8.90
    assert found["present"]["gain"] == pytest.approx((10.4 + 11.1 + 8.9) / 30 - 1 + fees)
    assert (found["present"]["n"], found["present"]["not_known"]) == (1, 2)
    assert found["none"]["gain"] == pytest.approx(8.9 / 10 - 1 + fees)
    assert found["difference"]["n"] == 1
    assert found["fidelity"]["n"] == 1


def test_seven_days_go_over_the_night_by_the_days_factor_and_rising_stop() -> None:
    import_sessions()
    of = account(slug="week", of=factories.profile(MAG7_7DTE))
    held = bet(of, [], (3, "9.00"), expires=DAYS[1])
    Position.objects.filter(pk=held.pk).update(regime="seven_day", version=2)
    marks(held, [10.7], to_close=10.7)  # 40% of 20% from a day before on: 8%, and 7% crosses nothing
    opens = datetime.combine(DAYS[1], factories.NOW.timetz()).replace(hour=14, minute=31)

    def look(minute: int, bid: str) -> None:
        at = opens + minute * MINUTE
        prices = {"bid": Decimal(bid), "ask": Decimal(bid) + Decimal("0.10")}
        PositionMark.objects.create(position=held, slot_at=at, marked_at=at, **prices)

    look(0, "10.90")
    look(1, "11.60")  # a quarter of 16% is locked in: the stop stands at 10.40
    steps = (Step(Decimal("0.20"), Decimal("0.34")),)
    found = what_if(of, "partial_profit", steps, now=WALL)
    assert (found["trades"], found["asked"]["n"]) == (1, 0)  # nothing has sold what is left where the record ends
    look(300, "10.30")
    found = what_if(of, "partial_profit", steps, now=WALL)
    assert found["asked"]["gain"] == pytest.approx((10.8 + 2 * 10.2) / 30 - 1 - 2 * 0.65 / 1000)
    assert "holding to the stop, the target or the forced close" in found["held_verdict"]
    assert suggestion(of, "partial_profit", now=WALL)["whole"] == 0  # hours of the last day are missing


def test_a_suggestion_needs_whole_paths_and_is_judged_on_later_trades(
    portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in range(50):
        of = bet(portfolio, [], (3, "9.00"), day=k // 5, late=30 * (k % 5))
        marks(of, [10.0, 10.1 + 0.1 * (k % 7), 10.0 + 0.05 * (k % 11)], to_close=9.0)
    found = suggestion(portfolio, MORNING, now=WALL)
    json.dumps(found, allow_nan=False)
    assert (found["whole"], found["refusal"]) == (50, None)
    study = found["study"]
    assert study["tested"] == 25
    assert len(study["folds"]) == 5
    assert study["steps"] is not None  # lower thresholds take what is lost at the close
    assert study["difference"] > 0
    assert "later trades the ladders chosen before them made" in study["verdict"]
    assert study["holds"]
    assert study["verdict"].endswith("confirm the choosing, and 30 trades or fewer still cannot tell that from luck.")
    assert suggestion(portfolio, MORNING, now=WALL) == found
    PositionMark.objects.filter(position=of, bid=Decimal("9.00")).delete()
    assert suggestion(portfolio, MORNING, now=WALL)["refusal"] == (
        "49 of the 50 trades with a whole path that a suggestion needs."
    )
    monkeypatch.setattr(ladder_study, "AT_ONCE", 7)
    assert what_if(portfolio, MORNING, None, now=WALL)["present"]["n"] >= 49


def test_later_trades_that_speak_against_the_choice_are_said_to(portfolio: Portfolio) -> None:
    """Early tiers save the first trades from the close, and cost the later ones their rise."""
    for k in range(50):
        of = bet(portfolio, [], (3, "9.00"), day=k // 5, late=30 * (k % 5))
        marks(of, [10.0, 10.4 + 0.01 * (k % 3), *([10.6, 11.2, 11.9] if k >= 25 else [])], to_close=9.0)
    study = suggestion(portfolio, MORNING, now=WALL)["study"]
    assert study["steps"] is not None
    assert study["difference_high"] < 0
    assert study["verdict"].endswith("the later trades speak against the choosing, and the present ladder may stay.")


# ---- Putting one in force ----


def manager() -> User:
    ensure_groups()
    made = factories.user(is_staff=True)
    made.groups.add(Group.objects.get(name="Risk manager"))
    return made


LOWER = (Step(Decimal("0.03"), Decimal("0.33")), Step(Decimal("0.06"), Decimal("0.67")))


def take(of: Portfolio, actor: User, **changes: Any) -> Any:
    given = {"ladder": MORNING, "steps": LOWER, "based_on": 1, "reason": "Tried.", "now": timezone.now()}
    return take_ladder(portfolio=of, actor=actor, **given | changes)


def test_a_person_puts_a_ladder_in_force_and_nothing_else_changes(portfolio: Portfolio) -> None:
    actor = manager()
    before = latest_revision(portfolio.profile)
    made = take(portfolio, actor)
    assert (made.number, made.author, made.reason) == (2, actor, "Tried.")
    after = ladders_of(made)
    assert after[MORNING] == LOWER
    assert {name: steps for name, steps in after.items() if name != MORNING} == {
        name: steps for name, steps in ladders_of(before).items() if name != MORNING
    }
    with pytest.raises(StaleRevisionError):
        take(portfolio, actor)
    with pytest.raises(ValidationError, match="nothing to save"):
        take(portfolio, actor, based_on=2)
    with pytest.raises(PermissionDenied):
        take(portfolio, portfolio.owner, based_on=2)


def test_a_held_limit_stays_held(portfolio: Portfolio) -> None:
    """A ladder loosens no limit, so it may be changed while one is held; what is held stays as it is."""
    hold_limit(profile=portfolio.profile, parameter="max_daily_loss", held_by="L2", now=WALL)
    assert take(portfolio, manager()).max_daily_loss == latest_revision(portfolio.profile).max_daily_loss


def reader(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_page_shows_tiers_a_ladder_asked_about_and_files(portfolio: Portfolio) -> None:
    of = bet(portfolio, [(1, 1, "10.50")], (2, "9.00"))
    marks(of, [10.2, 10.5, 11.2, 10.0], to_close=9.0)
    client = reader(portfolio.owner)
    address = f"/portfolios/{portfolio.slug}/take-profit/"
    with assert_counted("page take-profit"):
        page = client.get(address).content.decode()
    assert "Tier 1 took $150.00 more than holding to the final exit, once" in page
    asked = client.get(f"{address}?ladder={MORNING}&t1=2&s1=100&suggest=1").content.decode()
    assert "The ladder you ask about makes" in asked
    assert "1 of the 50 trades with a whole path" in asked
    assert "Take into a new revision" not in asked  # its reader may not
    wrong = client.get(f"{address}?t1=2&s1=abc&ladder=nonsense").content.decode()
    assert "Share of tier 1, in percent, must be a number from 0 to 100" in wrong
    assert "This account has no such ladder." in wrong
    assert "thresholds must rise" in client.get(f"{address}?t1=5&s1=10&t2=5&s2=10").content.decode()
    file = client.get(f"{address}?format=csv&table=tiers")
    assert file["Content-Disposition"] == f'attachment; filename="take-profit-{portfolio.slug}-tiers.csv"'
    assert client.get(f"{address}?format=json&table=what-if").json()[0]["which"] == "present"
    assert reader(factories.user()).get(address).status_code == 404


def test_the_page_of_a_revision_asks_for_a_reason(portfolio: Portfolio) -> None:
    client = reader(manager())
    address = f"/portfolios/{portfolio.slug}/take-profit/revision/?ladder={MORNING}&t1=3&s1=33&t2=6&s2=67"
    page = client.get(address).content.decode()
    assert "from 5.0%: 33.0%" in page
    assert "from 3.0%: 33.0%" in page
    assert client.post(address, {"based_on": 1, "reason": ""}).status_code == 422
    assert client.post(address, {"based_on": 1, "reason": "Tried."}).status_code == 302
    assert ladders_of(latest_revision(portfolio.profile))[MORNING] == LOWER
    late = client.post(address.replace("t1=3", "t1=4"), {"based_on": 1, "reason": "Late."})
    assert late.status_code == 422
    assert "revision" in late.content.decode()
    stranger = reader(portfolio.owner)
    assert "Only who may change the parameters" in stranger.get(address).content.decode()
    assert stranger.post(address, {"based_on": 2, "reason": "Mine."}).status_code == 403
    assert latest_revision(portfolio.profile).number == 2


def test_a_reason_quotes_only_the_study_of_its_own_ladder(
    portfolio: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"steps": [{"threshold": 0.03, "share": 0.33}, {"threshold": 0.06, "share": 0.67}], "difference": 0.02}
    figures |= {"difference_low": 0.01, "difference_high": 0.03, "tested": 25}
    monkeypatch.setattr("riskengine.views.take_profit.suggestion", lambda *_, **__: {"study": figures})
    client = reader(manager())
    address = f"/portfolios/{portfolio.slug}/take-profit/revision/?ladder={MORNING}&t1=3&s1=33&t2=6&study=1&s2="
    assert "walk-forward, +2.00% per dollar" in client.get(f"{address}67").content.decode()
    other = client.get(f"{address}50").content.decode()  # no study has judged this one
    assert "walk-forward" not in other
    assert "tried on recorded paths" in other


def test_a_program_asks_for_a_ladder_and_puts_none_in_force(portfolio: Portfolio) -> None:
    of = bet(portfolio, [(1, 1, "10.50")], (2, "9.00"))
    marks(of, [10.2, 10.5, 11.2, 10.0], to_close=9.0)
    client = reader(portfolio.owner)
    address = f"/api/v1/portfolios/{portfolio.slug}/take-profit/"
    told = client.get(address, {"steps": "0.02:1", "suggest": "true"}).json()
    assert told["what_if"]["asked"]["n"] == 1
    assert told["ladders"][0]["tiers"][0]["difference"] == 150.0
    assert told["suggestion"]["refusal"].startswith("1 of the 50")
    for wrong in ({"steps": "0.02"}, {"steps": "0.05:0.9,0.06:0.9"}, {"ladder": "partial_profit"}, {"tier": "1"}):
        assert client.get(address, wrong).status_code == 400, wrong
    assert client.post(address, {}).status_code == 405
