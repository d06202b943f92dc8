"""The demo: two portfolios that trade, made when a database has no portfolio yet.

Smart-0DTE starts with $60,000 on the recorded 2021-01-04 in SPXW options that expire that day; Mag7-7DTE starts with
$100,000 in weeklies of the seven stocks on a market that is made up and says so (`demo_market`). Quotes, trades, open
interest, closes and VIX of the recordings are real; fundamentals and earnings dates are illustrative and labelled. What
a recording lacks is either refused, as in life, or waived by a parameter whose revision says so.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.db import connection, transaction

from accounts.defaults import MAG7_7DTE, SMART_0DTE
from accounts.models import RiskProfile, System, User
from accounts.services import RISK_MANAGERS, create_profile, ensure_groups, revise_profile
from positions import recorded
from positions.market.calendar import new_york_date, new_york_instant
from positions.market_selectors import exchange_calendar
from positions.models import ClockKind, Decision, EarningsDate, EarningsTiming, Instrument, MarketClock, Mode, Portfolio
from positions.services import demo_market
from positions.services.imports import index, options, underlying
from positions.services.imports.run import ImportReport, Kind, import_file
from positions.services.imports.sessions import Sessions, read_overrides
from positions.services.portfolio import ClockSetting, create_portfolio
from positions.services.simulated import publish_simulated

USERNAME = "demo"
DEMO_LOCK = 0x64656D6F  # any number of our own: of several first starts at once, one makes the demo
# A little before two minutes in which a contract passes every gate and then runs through its targets: a newcomer sees
# what the product does. At twice the speed of life, because the recording has one quote a minute.
STARTS_AT = {SMART_0DTE: new_york_instant(date(2021, 1, 4), time(9, 49))}
SPEEDS = {SMART_0DTE: Decimal(2), MAG7_7DTE: Decimal(1)}
CLOSES_ALIAS_LABEL = "closes of GOOGL (class A) read for GOOG (class C)"


class DemoRefused(Exception):
    """The demo was not made, and nothing was changed. The message is one line for a person."""


@dataclass(frozen=True, slots=True)
class Demo:
    """What was made. The password is stored only as a hash: this is the one chance to show it."""

    username: str
    password: str
    portfolios: tuple[Portfolio, ...]
    rows_imported: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded file, what kind it is and whose it is."""

    kind: Callable[[], Kind]
    path: Path
    source: str


RECORDINGS = (
    Recording(lambda: Sessions(read_overrides(recorded.OVERRIDES)), recorded.SESSIONS, recorded.SESSIONS_SOURCE),
    Recording(underlying.Bars, recorded.UNDERLYING_BARS, recorded.OPTIONS_SOURCE),
    Recording(underlying.Closes, recorded.CLOSES, recorded.CLOSES_SOURCE),
    Recording(underlying.Closes, recorded.INDEX_CLOSES, recorded.INDEX_CLOSES_SOURCE),
    Recording(index.VixDays, recorded.VIX, recorded.VIX_SOURCE),
    *(Recording(options.Quotes, path, recorded.OPTIONS_SOURCE) for path in recorded.QUOTES),
    *(Recording(options.Trades, path, recorded.OPTIONS_SOURCE) for path in recorded.TRADES),
    *(Recording(options.OpenInterests, path, recorded.OPTIONS_SOURCE) for path in recorded.OPEN_INTEREST),
    Recording(
        lambda: underlying.Fundamentals(is_illustrative=True), recorded.FUNDAMENTALS, recorded.ILLUSTRATIVE_SOURCE
    ),
)


@transaction.atomic
def load_demo(*, now: datetime, password: str = "") -> Demo | None:
    """Make the demo, whole or not at all; None when there is a portfolio already. `now` is wall time.

    Without a password a random one is made. Of several starts at once one makes it, the others wait and return None.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [DEMO_LOCK])
    if Portfolio.objects.exists():
        return None
    user, password = _create_user(password)
    rows = sum(report.read for report in import_recordings(RECORDINGS))
    alias_goog_closes()
    record_goog_earnings()
    zero, seven = create_profiles(now)
    portfolios = create_portfolios(owner=user, profiles=(zero, seven), now=now)
    with connection.cursor() as cursor:  # what is new would be read through the wrong index until it is counted
        cursor.execute("ANALYZE positions_optionquote, positions_optiontradebar, positions_underlyingbar")
    return Demo(user.get_username(), password, portfolios, rows)


def create_portfolios(
    *, owner: User, profiles: tuple[RiskProfile, RiskProfile], now: datetime
) -> tuple[Portfolio, Portfolio]:
    """Both portfolios with their starting cash and their markets, which stand at their start."""
    zero, seven = profiles
    world = demo_market.world(exchange_calendar(), now)
    demo_market.record_figures(world)
    portfolios = (
        create_portfolio(
            owner=owner,
            slug=SMART_0DTE,
            name="Smart-0DTE demo",
            system=SMART_0DTE,
            profile=zero,
            cash=Decimal(60_000),
            mode=Mode.PAPER,
            now=now,
            clock=_recorded_clock(SMART_0DTE, time(16), "SPXW"),
            quote_source=recorded.OPTIONS_SOURCE,
            is_demo=True,
        ),
        create_portfolio(
            owner=owner,
            slug=MAG7_7DTE,
            name="Mag7-7DTE demo",
            system=MAG7_7DTE,
            profile=seven,
            cash=Decimal(100_000),
            mode=Mode.PAPER,
            now=now,
            clock=demo_market.clock(world),
            quote_source=world.source,
            is_demo=True,
        ),
    )
    publish_simulated(now=now)
    return portfolios


def start_markets(*, now: datetime) -> int:
    """Let the demo's markets run from wall time `now`; how many began. They stand at their start until something works
    on them, so that nobody misses the first minutes while the product starts. What has run is left alone."""
    begun = 0
    for slug, speed in sorted(SPEEDS.items()):
        standing = MarketClock.objects.filter(portfolio__slug=slug, portfolio__is_demo=True, speed=0)
        untouched = standing.exclude(portfolio__in=Decision.objects.values("portfolio"))
        begun += untouched.exclude(kind=ClockKind.LIVE).update(speed=speed, wall_started_at=now)
    return begun


def import_recordings(recordings: Iterable[Recording]) -> list[ImportReport]:
    """Recorded files into the database. A rejected row is a fault of the product, so it stops the demo."""
    reports = []
    with TemporaryDirectory() as folder:
        for recording in recordings:
            rejects = Path(folder) / f"{recording.path.name}.rejects.csv"
            report = import_file(recording.kind(), recording.path, source=recording.source, rejects_path=rejects)
            if report.rejected:
                raise DemoRefused(f"The recorded file {recording.path.name} is damaged: {report.summary}")
            reports.append(report)
    return reports


def alias_goog_closes() -> None:
    """The recorded options are on GOOG, the recorded closes are GOOGL's: the same company, a class apart."""
    googl = Instrument.objects.get(symbol="GOOGL")
    Instrument.objects.filter(symbol="GOOG").update(closes_alias=googl, closes_alias_label=CLOSES_ALIAS_LABEL)


def record_goog_earnings() -> None:
    """When Alphabet next reported: without a next date on record every Mag7-7DTE entry in GOOG is refused."""
    for goog in Instrument.objects.filter(symbol="GOOG"):
        EarningsDate.objects.create(
            instrument=goog,
            reports_on=date(2016, 2, 1),
            timing=EarningsTiming.AFTER_CLOSE,
            source="Alphabet, published results of Q4 2015",
        )


def _create_user(password: str) -> tuple[User, str]:
    """A staff user who may change parameters and trading state, but not users."""
    if User.objects.filter(username=USERNAME).exists():
        raise DemoRefused(f"There is a user “{USERNAME}” already, so the demo cannot make its own. Rename that one.")
    user = User(username=USERNAME, first_name="Demo", is_staff=True)
    if password:
        validate_password(password, user)
    else:
        password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save(force_insert=True)
    ensure_groups()
    user.groups.add(Group.objects.get(name=RISK_MANAGERS))
    return user, password


def create_profiles(now: datetime) -> tuple[RiskProfile, RiskProfile]:
    """Both systems with the source's numbers; one limit is waived where the recording lacks what it reads."""
    zero, seven = (
        create_profile(slug=system, name=f"{name} demo", system=system, author=None, now=now)
        for system, name in System.choices
    )
    revise_profile(
        profile=zero,
        based_on=1,
        numbers={"waive_open_interest_unknown": True},
        ladders={},
        reason="Demo: the recording of 2021-01-04 has no open interest for the 3,800 put, so a missing one is waived.",
        author=None,
        now=now,
    )
    return zero, seven


def _recorded_clock(system: str, closes: time, what: str) -> ClockSetting:
    """Market time from the recording's start to that day's close; it stands until `start_markets`."""
    starts_at = STARTS_AT[system]
    day = new_york_date(starts_at)
    return ClockSetting(
        kind="recorded",
        market_started_at=starts_at,
        market_ends_at=new_york_instant(day, closes),
        speed=Decimal(0),
        label=f"Demo: recorded market of {day} ({what}), at {SPEEDS[system]} times its speed",
    )
