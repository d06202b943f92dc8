"""What a value of a provider may be. Each reader takes a candidate and a name, and raises BadValue with the reason.

Numbers come as JSON numbers or as text ("644.61"); a float is taken at its shortest form, which is what was sent.
"""

from collections.abc import Collection
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation

from positions.market.calendar import new_york_date
from positions.market.providers.base import Candidate

FOUR_PLACES, SIX_PLACES = Decimal("0.0001"), Decimal("0.000001")
MOST_CHARACTERS = 40
FIRST_YEAR, LAST_YEAR = 1980, 2099


class BadValue(ValueError):
    """This row cannot be true or cannot be read. The message is the reason it is counted under, without the value: of a
    thousand wrong rows one reason is told."""


def text(candidate: Candidate, name: str) -> str:
    value = candidate.get(name)
    if not isinstance(value, str) or not value.strip():
        raise BadValue(f"{name} is missing" if value in (None, "") else f"{name} is no text")
    if len(value) > MOST_CHARACTERS:
        raise BadValue(f"{name} is too long")
    return value.strip()


def word(candidate: Candidate, name: str, words: Collection[str]) -> str:
    value = text(candidate, name)
    if value not in words:
        raise BadValue(f"{name} is none of {', '.join(words)}")
    return value


def number(
    candidate: Candidate, name: str, *, most: Decimal, least: Decimal | None = None, over: Decimal | None = None
) -> Decimal:
    """A finite number, from `least` or above `over`, to `most`."""
    value = _decimal(candidate, name)
    if least is not None and value < least:
        raise BadValue(f"{name} is negative" if least == 0 else f"{name} is under {least}")
    if over is not None and value <= over:
        raise BadValue(f"{name} is zero" if value == 0 else f"{name} is negative")
    if value > most:
        raise BadValue(f"{name} is over {most:,}")
    return value


def count(candidate: Candidate, name: str, *, most: int) -> int:
    """A whole number from 0."""
    value = number(candidate, name, least=Decimal(0), most=Decimal(most))
    if value != int(value):
        raise BadValue(f"{name} is no whole number")
    return int(value)


def optional_count(candidate: Candidate, name: str, *, most: int) -> int | None:
    return None if candidate.get(name) is None else count(candidate, name, most=most)


def day(candidate: Candidate, name: str) -> date:
    """A New York date: told as one, or by an instant of it."""
    value = candidate.get(name)
    if not isinstance(value, date):  # a datetime is one
        value = _read_day(text(candidate, name), name)
    found = _date_of(value) if isinstance(value, datetime) else value
    if not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise BadValue(f"{name} lies outside {FIRST_YEAR} to {LAST_YEAR}")
    return found


def instant(candidate: Candidate, name: str) -> datetime:
    """An aware UTC time. One without its offset is refused, not guessed."""
    value = candidate.get(name)
    if not isinstance(value, datetime):
        try:
            value = datetime.fromisoformat(text(candidate, name))
        except BadValue:
            raise
        except ValueError as error:
            raise BadValue(f"{name} is no time") from error
    if value.tzinfo is None:
        raise BadValue(f"{name} has no offset")
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise BadValue(f"{name} lies outside {FIRST_YEAR} to {LAST_YEAR}")
    return value.astimezone(UTC)


def _read_day(told: str, name: str) -> date:
    try:
        return date.fromisoformat(told) if len(told) == len("2014-06-09") else datetime.fromisoformat(told)
    except ValueError as error:
        raise BadValue(f"{name} is no date") from error


def _date_of(at: datetime) -> date:
    """Midnight in UTC is how many write a date, and never a New York midnight: taken as an instant it would be the
    evening before, and every session would be stored a day early."""
    if at.tzinfo is None:
        return at.date()
    utc = at.astimezone(UTC)
    return utc.date() if utc.time() == time(0) else new_york_date(at)


def _decimal(candidate: Candidate, name: str) -> Decimal:
    value = candidate.get(name)
    if value is None:
        raise BadValue(f"{name} is missing")
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise BadValue(f"{name} is no number")
    if isinstance(value, str) and len(value) > MOST_CHARACTERS:
        raise BadValue(f"{name} is no number")
    try:
        found = value if isinstance(value, Decimal) else Decimal(str(value))
    except (InvalidOperation, ValueError) as error:
        raise BadValue(f"{name} is no number") from error
    if not found.is_finite():
        raise BadValue(f"{name} is not a finite number")
    return found
