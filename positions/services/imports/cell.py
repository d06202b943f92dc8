"""What a cell may hold. Each reader returns the text as COPY takes it, or raises BadRow with the reason.

Numbers are plain: digits, at most one point, no exponent, no separators. The readers are cached: a file of a million
rows holds a few thousand different prices and minutes.
"""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache

from positions.market.calendar import new_york_instant

MAX_PRICE = 1_000_000  # USD a share, as the columns' check constraints
MAX_SIZE = 2_147_483_647
MAX_VOLUME = 10**15
_FIRST_YEAR, _LAST_YEAR = 1980, 2099

_NUMBER = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,12})?")
_WHOLE = re.compile(r"-?[0-9]{1,18}(?:\.0)?")
_DAY = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})")
_MINUTE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{2}):([0-9]{2})(?::([0-9]{2}))?")


class BadRow(ValueError):
    """This row cannot be true or cannot be read. The message is the reason in the rejects file."""


class Unwanted(Exception):
    """This row is sound as far as it was looked at, and not asked for: it is counted and left out."""


@lru_cache(maxsize=1 << 16)
def number(text: str, name: str, low: Decimal | int | None = None, high: Decimal | int | None = None) -> str:
    """A decimal number within `low` and `high`, both included."""
    if not _NUMBER.fullmatch(text):
        if not text:
            raise BadRow(f"{name} is missing")
        if text.strip().lower().lstrip("+-") in ("nan", "inf", "infinity"):
            raise BadRow(f"{name} is {text.strip()}, not a finite number")
        raise BadRow(f"{name} is not a number: {text[:40]!r}")
    value = Decimal(text)
    if low is not None and value < low:
        raise BadRow(f"{name} is negative: {text}" if low == 0 else f"{name} is under {low}: {text}")
    if high is not None and value > high:
        raise BadRow(f"{name} is over {high:,}: {text}")
    return text


def optional_number(text: str, name: str, low: Decimal | int | None, high: Decimal | int | None) -> str | None:
    """The same; an empty cell is a missing value."""
    return number(text, name, low, high) if text else None


@lru_cache(maxsize=1 << 16)
def price(text: str, name: str) -> str:
    """USD a share from 0, to a hundredth of a cent."""
    number(text, name, 0, MAX_PRICE)
    if len(text.partition(".")[2].rstrip("0")) > 4:
        raise BadRow(f"{name} is finer than 0.0001: {text}")
    return text


@lru_cache(maxsize=1 << 16)
def positive_price(text: str, name: str, places: int) -> str:
    """A rounded price above 0; more decimals than the column keeps are rounded."""
    number(text, name, 0, MAX_PRICE)
    if round(Decimal(text), places) == 0:
        raise BadRow(f"{name} is zero")
    return text


@lru_cache(maxsize=1 << 16)
def count(text: str, name: str, most: int = MAX_SIZE) -> str:
    """A whole number from 0."""
    if not _WHOLE.fullmatch(text):
        number(text, name)
        raise BadRow(f"{name} is not a whole number: {text[:40]}")
    value = int(text.partition(".")[0])
    if value < 0:
        raise BadRow(f"{name} is negative: {text}")
    if value > most:
        raise BadRow(f"{name} is over {most:,}: {text}")
    return str(value)


@lru_cache(maxsize=1 << 14)
def day(text: str, name: str) -> date:
    """A date as YYYY-MM-DD."""
    match = _DAY.fullmatch(text)
    if match is None:
        raise BadRow(f"{name} is not a date (YYYY-MM-DD): {text[:40]!r}" if text else f"{name} is missing")
    try:
        value = date(*map(int, match.groups()))
    except ValueError:
        raise BadRow(f"{name} is no date of the calendar: {text}") from None
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise BadRow(f"{name} lies outside {_FIRST_YEAR} to {_LAST_YEAR}: {text}")
    return value


@lru_cache(maxsize=1 << 14)
def weekday(text: str, name: str) -> date:
    """A date on which an exchange can trade: not a Saturday or Sunday."""
    value = day(text, name)
    if value.weekday() >= 5:
        raise BadRow(f"{name} is a {value:%A}: {text}")
    return value


@lru_cache(maxsize=1 << 14)
def bar_end(text: str, name: str, bar_minutes: int) -> tuple[str, date]:
    """A bar stamped with its START in New York time: the UTC instant at which it is known, and its New York date."""
    match = _MINUTE.fullmatch(text)
    if match is None:
        raise BadRow(f"{name} is not a time (YYYY-MM-DD HH:MM:SS): {text[:40]!r}" if text else f"{name} is missing")
    on = day(match[1], name)
    try:
        starts = datetime.combine(on, time(int(match[2]), int(match[3]), int(match[4] or 0)))
        ends = starts + timedelta(minutes=bar_minutes)
        known_at = new_york_instant(ends.date(), ends.time())
    except ValueError:
        raise BadRow(f"{name} is no time of that day in New York: {text}") from None
    return known_at.isoformat(), on


def new_york_minute(text: str, name: str) -> str:
    """A New York time to the minute or second, as its UTC instant."""
    return bar_end(text, name, 0)[0]


def sentence(text: str, name: str, most: int) -> str:
    """Words of up to `most` characters, which COPY takes as they are."""
    words = text.strip()
    if not words:
        raise BadRow(f"{name} is missing")
    if len(words) > most:
        raise BadRow(f"{name} has {len(words)} characters; {most} are kept")
    if "\\" in words or not words.isprintable():
        raise BadRow(f"{name} has a character that is no text: {words[:40]!r}")
    return words


@lru_cache(maxsize=1 << 14)
def instant(text: str, name: str) -> str:
    """An ISO 8601 time with its UTC offset."""
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow(f"{name} is not a time with an offset (2021-01-04 14:30:00+00:00): {text[:40]!r}") from None
    if value.tzinfo is None:
        raise BadRow(f"{name} has no UTC offset: {text}")
    return value.isoformat()


def low_not_above_high(low: str, high: str) -> None:
    if Decimal(low) > Decimal(high):
        raise BadRow(f"low {low} is above high {high}")


def between_low_and_high(text: str, name: str, low: str, high: str) -> None:
    if not Decimal(low) <= Decimal(text) <= Decimal(high):
        raise BadRow(f"{name} {text} is outside low {low} to high {high}")


def bar_prices(opened: str, high: str, low: str, close: str) -> tuple[str, str, str, str]:
    """Open, high, low, close of a bar: low at the bottom, high at the top."""
    prices = (price(opened, "open"), price(high, "high"), price(low, "low"), price(close, "close"))
    low_not_above_high(low, high)
    between_low_and_high(opened, "open", low, high)
    between_low_and_high(close, "close", low, high)
    return prices
