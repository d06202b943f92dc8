"""What is said of a night, from a report's contents: what happened, the number, the limit, and what to do (P-18)."""

from datetime import datetime
from typing import Any

from positions.market.calendar import new_york
from positions.models import Portfolio
from riskengine.calculators import wording
from riskengine.loading.nights import Hours
from riskengine.models import NightMoment, Severity
from riskengine.services.watch.alerts import NewAlert

OVERNIGHT_LOSS = "OVERNIGHT_LOSS"
EARNINGS_HELD = "EARNINGS_BEFORE_EXPIRY_HELD"
OVERNIGHT_UNKNOWN = "OVERNIGHT_UNKNOWN"
CODES = (OVERNIGHT_LOSS, EARNINGS_HELD, OVERNIGHT_UNKNOWN)
TIMINGS = {
    "before_open": "before the open",
    "after_close": "after the close",
    "unknown": "at an hour that is not known",
}

Contents = dict[str, Any]


def key(code: str, pk: int, closes_on: str) -> str:
    """A condition of one night: both its reports name it alike, so that it is told once. `pk` is the portfolio's, of
    earnings the position's."""
    return f"{code.lower()}:{pk}:{closes_on}"


def night_in(named: str) -> str:
    """The day of the session that closes, in a key."""
    return named.rpartition(":")[2]


def alerts_of(contents: Contents, portfolio: Portfolio, *, at: datetime, emergency: float) -> list[NewAlert]:
    """What this report has to tell at market time `at`. `emergency` is the emergency halt's share of equity."""
    found = [_earnings(contents, each, portfolio, at) for each in contents["positions"] if _reports_first(each)]
    if contents["book"]["over"]:
        found.append(_loss(contents, portfolio, at, emergency))
    if contents["unknown"] or contents["equity"] is None:
        found.append(_unknown(contents, portfolio, at))
    return found


def not_made(portfolio: Portfolio, hours: Hours, at: datetime, why: str) -> NewAlert:
    """There is no report, for a reason of the program's or the database's own."""
    return NewAlert(
        code=OVERNIGHT_UNKNOWN,
        key=key(OVERNIGHT_UNKNOWN, portfolio.pk, hours.closing.day.isoformat()),
        severity=Severity.WARNING,
        title="What the night can do is not known",
        happened=f"The overnight report of {portfolio.name} could not be made: {why}",
        to_do="It is tried again every 30 s while its moment lasts. Look at what is held, and sell before the close "
        "what you would not hold unseen.",
        portfolio_id=portfolio.pk,
        market_at=at,
    )


def _loss(contents: Contents, portfolio: Portfolio, at: datetime, emergency: float) -> NewAlert:
    book = contents["book"]
    loss, limit = book["worst_loss"], book["limit"]
    lower = book["worst_down"] <= book["worst_up"]
    halts = book["worst_share"] is None or book["worst_share"] >= emergency
    one = len(contents["positions"]) == 1
    return NewAlert(
        code=OVERNIGHT_LOSS,
        key=key(OVERNIGHT_LOSS, portfolio.pk, contents["closes_on"]),
        severity=Severity.CRITICAL if halts else Severity.WARNING,
        title="A 5% move over the night would cost more than its limit",
        happened=f"If the underlyings open 5% {'lower' if lower else 'higher'}, {_what(contents)} that "
        f"{portfolio.name} holds over the night {'loses' if one else 'lose'} {wording.usd(loss)}"
        f"{_share(book['worst_share'])} by {_opens(contents)}; the limit is {wording.percent(book['limit_share'])} "
        f"({wording.usd(limit)}). No stop acts before then." + (" That reaches the emergency halt." if halts else ""),
        to_do=_to_do(contents),
        portfolio_id=portfolio.pk,
        value=loss,
        limit=limit,
        unit="USD",
        market_at=at,
    )


def _what(contents: Contents) -> str:
    positions = contents["positions"]
    if len(positions) > 1:
        return f"the {len(positions)} positions"
    return f"the position ({positions[0]['contracts']:,} {positions[0]['label']})"


def _share(share: float | None) -> str:
    return "" if share is None else f", {wording.percent(share)} of the equity at the start of the day,"


def _opens(contents: Contents) -> str:
    at = contents["opens_at"]
    return "the next open" if at is None else f"the open on {new_york(datetime.fromisoformat(at)):%A at %H:%M}"


def _clock(at: str) -> str:
    return f"{new_york(datetime.fromisoformat(at)):%H:%M}"


def _to_do(contents: Contents) -> str:
    if contents["moment"] == NightMoment.BEFORE_OPEN:
        return "Nothing can be sold before the open. Stops are checked first then; decide now what you sell yourself."
    until = f"Sell a part before {_clock(contents['closes_at'])}, or hold it knowing that."
    proposed = contents["reduction"]
    if not proposed:
        return until
    listed = ", ".join(f"{each['sell']:,} of {each['of']:,} {each['label']}" for each in proposed)
    return f"{until} Selling {listed} would keep it to {wording.usd(max(proposed[0]['loss_left'], 0.0))}."


def _reports_first(position: dict[str, Any]) -> bool:
    return bool(position["earnings"] and position["earnings"]["before_expiry"])


def _earnings(contents: Contents, position: dict[str, Any], portfolio: Portfolio, at: datetime) -> NewAlert:
    report = position["earnings"]
    days = (datetime.fromisoformat(report["on"]).date() - datetime.fromisoformat(contents["at"]).date()).days
    tonight = " That is this night: nothing can be sold in between." if report["tonight"] else ""
    illustrative = " The date is illustrative, not real." if report["illustrative"] else ""
    return NewAlert(
        code=EARNINGS_HELD,
        key=key(EARNINGS_HELD, position["position"], contents["closes_on"]),
        severity=Severity.WARNING,
        title="A company reports before the option on it expires",
        happened=f"{position['underlying']} reports on {report['on']}, {TIMINGS[report['timing']]}, and "
        f"{position['contracts']:,} contracts of {position['label']} expire on {position['expires_on']}, "
        f"{position['days']} days from now.{tonight}{illustrative}",
        to_do="Decide whether you hold it through the report: the price may jump over the stop, and volatility falls "
        "after it. Selling all or a part is a button on its page.",
        portfolio_id=portfolio.pk,
        position_id=position["position"],
        value=days,
        limit=position["days"],
        unit="days",
        market_at=at,
    )


def _unknown(contents: Contents, portfolio: Portfolio, at: datetime) -> NewAlert:
    why = [f"{each['label']}: {'; '.join(each['unknown'])}." for each in contents["positions"] if each["unknown"]]
    if why:
        count = f"{len(why)} of the {len(contents['positions'])} positions that {portfolio.name} holds"
        why.insert(0, f"{count} over the night cannot be priced.")
    if contents["equity"] is None:
        why.append(f"The equity of {portfolio.name} at the start of the day is not known, and so no limit is.")
    return NewAlert(
        code=OVERNIGHT_UNKNOWN,
        key=key(OVERNIGHT_UNKNOWN, portfolio.pk, contents["closes_on"]),
        severity=Severity.WARNING,
        title="What the night can do is not known",
        happened=" ".join(why),
        to_do="Look at the quotes at the broker. What is not known is not safe: sell before the close what you would "
        "not hold unseen.",
        portfolio_id=portfolio.pk,
        value=len(contents["unknown"]),
        limit=0,
        unit="positions",
        market_at=at,
    )
