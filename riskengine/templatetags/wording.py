"""Filters: numbers, times and sentences as a page shows them. What is not known says so and is never a number."""

import re
from datetime import date, datetime
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join

from positions.market.calendar import new_york
from riskengine.services import wording

register = template.Library()

UNKNOWN = wording.UNKNOWN
OWN_ADDRESS = re.compile(r"(?<!\S)(/portfolios/[\w/-]+/)(?!\S)")


@register.filter
def in_unit(value: Any, unit: str) -> str:
    """With its unit: {{ step.input|in_unit:step.unit }}."""
    return wording.in_unit(value, unit)


@register.filter
def with_links(text: str) -> str:
    """A sentence in which an address of this product is a link: "Answer its questions: /portfolios/a/reviews/1/"."""
    parts = OWN_ADDRESS.split(text)  # every second one is an address
    return format_html_join(
        "", "{}", ((format_html('<a href="{0}">{0}</a>', part) if k % 2 else part,) for k, part in enumerate(parts))
    )


@register.filter
def usd(value: float | None) -> str:
    """No cents from $1,000, and none for nothing at all."""
    if value is None:
        return UNKNOWN
    return wording.usd(float(value)) if value else "$0"


@register.filter
def cents(value: Any) -> str:
    """An amount of a list that must add up, always to the cent: −$1,234.50."""
    return UNKNOWN if value is None else f"{'−' if value < 0 else ''}${abs(value):,.2f}"


@register.filter
def signed_cents(value: Any) -> str:
    """A gain or loss of such a list: +$849.80."""
    return f"{'+' if value and value > 0 else ''}{cents(value)}"


@register.filter
def signed_usd(value: float | None) -> str:
    """Gain and loss differ by sign as well as colour: +$1,240, −$1,600."""
    if value is None:
        return UNKNOWN
    if not value:
        return "$0"
    return f"+{wording.usd(float(value))}" if value > 0 else wording.usd(float(value))


@register.filter
def percent(fraction: float | None) -> str:
    return UNKNOWN if fraction is None else wording.percent(float(fraction))


@register.filter
def signed_percent(fraction: float | None) -> str:
    if fraction is None:
        return UNKNOWN
    return f"+{wording.percent(float(fraction))}" if fraction > 0 else wording.percent(float(fraction))


@register.filter
def signed_points(fraction: float | None) -> str:
    """A growth per bet is small: +0.04%, −0.61%."""
    if fraction is None:
        return UNKNOWN
    return f"{100.0 * float(fraction):+.2f}%".replace("-", "−")


@register.filter
def minus_percent(fraction: float | None) -> str:
    """A loss that is kept as a positive number: −12.0%."""
    return UNKNOWN if fraction is None else wording.percent(-float(fraction))


@register.filter
def price(value: float | None) -> str:
    return UNKNOWN if value is None else wording.price(float(value))


@register.filter
def price_in_dollars(value: float | None) -> str:
    """Where the head of the column has the dollar."""
    return price(value).replace("$", "")


@register.filter
def multiple(value: float | None) -> str:
    return UNKNOWN if value is None else wording.multiple(float(value))


@register.filter
def number(value: float | None) -> str:
    """A count or a strike: thousands separated, without needless zeros."""
    return UNKNOWN if value is None else wording.plain(float(value))


@register.filter
def decimals(value: float | None, places: int) -> str:
    """So many decimals: Greeks, ratios."""
    return UNKNOWN if value is None else f"{value:,.{places}f}".replace("-", "−")


@register.filter
def age(seconds: float | None) -> str:
    """How old a market number is, in the largest unit that matters."""
    if seconds is None:
        return "age not known"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def _instant(value: str | datetime) -> datetime:
    return new_york(datetime.fromisoformat(value) if isinstance(value, str) else value)


@register.filter
def ny_time(value: str | datetime | None) -> str:
    """New York time to the minute: 15:45."""
    return f"{_instant(value):%H:%M}" if value else UNKNOWN


@register.filter
def ny_time_of(value: str | datetime | None, day: str) -> str:
    """The same with its weekday where it is not of this New York date: 15:45, Fri 18:00."""
    if not value:
        return UNKNOWN
    instant = _instant(value)
    return f"{instant:%H:%M}" if f"{instant:%Y-%m-%d}" == day else f"{instant:%a %H:%M}"


@register.filter
def ny_seconds(value: str | datetime | None) -> str:
    """New York time where seconds matter: 10:42:07."""
    return f"{_instant(value):%H:%M:%S}" if value else UNKNOWN


@register.filter
def ny_minutes(value: str | datetime | None) -> str:
    """New York hours and minutes, as a time field takes them: 10:42."""
    return f"{_instant(value):%H:%M}" if value else ""


@register.filter
def ny_date(value: str | datetime | None) -> str:
    """The New York date of an instant: 2021-01-04."""
    return f"{_instant(value):%Y-%m-%d}" if value else UNKNOWN


@register.filter
def when(value: Any) -> str:
    """A date as it is, an instant as New York date and time; anything else unchanged."""
    try:
        instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value
    if isinstance(instant, datetime):
        if instant.tzinfo is None:
            return f"{instant:%Y-%m-%d}"
        return f"{new_york(instant):%Y-%m-%d %H:%M:%S}"
    return f"{instant:%Y-%m-%d}" if isinstance(instant, date) else ""


@register.filter
def weekday(value: str | date | None) -> str:
    """Mon 4 Jan 2021."""
    if not value:
        return UNKNOWN
    day = date.fromisoformat(value) if isinstance(value, str) else value
    return f"{day:%a} {day.day} {day:%b %Y}"


@register.filter
def in_days(days: int | None) -> str:
    """How far an expiration is: today, tomorrow, 7 days."""
    if days is None:
        return UNKNOWN
    if days < 0:
        return f"{in_days(-days)} ago"
    return {0: "today", 1: "1 day"}.get(days, f"{days} days")


def _split(sentence: str) -> tuple[str, str]:
    head, dot, tail = (sentence or "").partition(". ")
    return head + dot.rstrip(), tail


@register.filter
def headline(sentence: str) -> str:
    """The first sentence, set large."""
    return _split(sentence)[0]


@register.filter
def rest(sentence: str) -> str:
    """What follows the first sentence."""
    return _split(sentence)[1]


@register.filter
def initial(sentence: str) -> str:
    """With a capital first letter, the others untouched."""
    return sentence[:1].upper() + sentence[1:] if sentence else ""


@register.filter
def root(occ_symbol: str) -> str:
    """The option root of an OCC symbol: SPXW."""
    return occ_symbol.strip()[:-15].strip()


@register.filter
def failing_first(verdicts: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
    """Verdicts numbered in the order in which they were judged, those that refuse first."""
    numbered = [{**verdict, "number": number} for number, verdict in enumerate(verdicts or [], start=1)]
    return sorted(numbered, key=lambda verdict: bool(verdict["passed"]))


@register.filter
def failed_count(verdicts: list[dict[str, Any]] | None) -> int:
    return sum(not verdict["passed"] for verdict in verdicts or [])


_EITHER_SIGN = frozenset({"MAX_DELTA", "MAX_GAMMA"})


@register.filter
def bound(verdict: dict[str, Any]) -> str:
    """Which side of its limit a passing value lies on: "min" or "max"; nothing where it cannot be told."""
    value, limit = verdict.get("input"), verdict.get("limit")
    if not verdict.get("passed") or isinstance(limit, bool) or value is None or limit is None:
        return ""
    value = abs(value) if verdict["rule"] in _EITHER_SIGN else value
    return "max" if value < limit else "min" if value > limit else ""


@register.filter
def countdown(seconds: float | None) -> str:
    """Time until something: 40 s, 12 min, 5 h 02 m, 3 d."""
    if seconds is None:
        return UNKNOWN
    left = max(int(seconds), 0)
    if left < 60:
        return f"{left} s"
    if left < 3_600:
        return f"{left // 60} min"
    if left < 2 * 86_400:
        return f"{left // 3_600} h {left % 3_600 // 60:02d} m"
    return f"{left // 86_400} d"


@register.filter
def arrow(value: float | None) -> str:
    """Which way, for those who do not tell the colours apart: ▲, ▼, or nothing."""
    return "▲" if value and value > 0 else "▼" if value and value < 0 else ""


@register.filter
def gain_or_loss(value: float | None) -> str:
    """The class of an amount: gain, loss, or level."""
    return "gain" if value and value > 0 else "loss" if value and value < 0 else "level"


@register.filter
def loss_usd(value: float | None) -> str:
    """An amount that is lost: −$6,000."""
    return UNKNOWN if value is None else wording.usd(-float(value))


@register.filter
def weekday_short(value: str | datetime | None) -> str:
    """The New York weekday of an instant: Tue."""
    return f"{_instant(value):%a}" if value else UNKNOWN
