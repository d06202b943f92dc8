"""A provider that answers a GET with JSON, described by its settings (`configuration`) and by nothing else."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import quote

from positions.market.providers.allowance import Allowance
from positions.market.providers.base import GARBAGE, Asked, Candidate, ProviderError
from positions.market.providers.configuration import EPOCHS, placeholders
from positions.market.providers.transport import Line, guarded_session
from positions.market.symbols import parse

EVERY = "*"
TIMES = ("at",)
DATES = ("session_on", "as_of_on", "reports_on", "effective_on")
MOST_ROWS = 50_000
MOST_DIGITS = 30  # before the point
START_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)
Around = Mapping[str, object]  # what stands around a row: @symbol, @contract, @1 ...


class HttpJsonProvider:
    """One question to one such provider. `credential` is the secret itself, empty where none is needed."""

    def __init__(
        self, base_url: str, settings: Mapping[str, Any], credential: str, line: Line, allowance: Allowance
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._settings = settings
        self._line = line
        self._session = guarded_session(line, allowance)
        self._session.headers.update({"Accept": "application/json", "User-Agent": "betsizing"})
        self._session.headers.update(settings.get("headers", {}))
        place = settings.get("credential", {})
        told = place.get("prefix", "") + credential
        self._query = {place["query"]: told} if "query" in place and credential else {}
        if "header" in place and credential:
            self._session.headers[place["header"]] = told

    def fetch(self, asked: Asked) -> Sequence[Candidate]:
        found: list[Candidate] = []
        try:
            for endpoint in self._settings["endpoints"]:
                if endpoint["brings"] != asked.what:
                    continue
                for filled, around in _fillings(endpoint, asked):
                    found += _candidates(endpoint, self._get(endpoint, filled), around)
                    if len(found) > MOST_ROWS:
                        raise ProviderError(GARBAGE, f"It answered more than {MOST_ROWS:,} rows.")
        finally:
            self._session.close()
            self._line.cut()
        return found

    def hang_up(self) -> None:
        self._line.cut()

    def _get(self, endpoint: Mapping[str, Any], filled: Mapping[str, str]) -> object:
        path = _fill(endpoint["path"], {name: quote(text, safe=",") for name, text in filled.items()})
        query = {name: _fill(text, filled) for name, text in endpoint.get("query", {}).items()}
        answer = self._session.get(self._base_url + path, params={**query, **self._query}, allow_redirects=False)
        return read_json(answer.content)


def read_json(body: bytes) -> object:
    """JSON with exact numbers. NaN and Infinity are read, so that the row they stand in is named; the rest may be good.
    ProviderError for what is no JSON."""
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=Decimal)
    except (ValueError, RecursionError, InvalidOperation) as error:
        start = body[:40].decode("ascii", "replace").strip()
        raise ProviderError(GARBAGE, f"Its answer is no JSON; it begins {start!r}.") from error


def _fill(text: str, filled: Mapping[str, str]) -> str:
    for name, value in filled.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _fillings(endpoint: Mapping[str, Any], asked: Asked) -> Iterator[tuple[dict[str, str], Around]]:
    """The requests of an endpoint: one for each symbol or contract where it names one, one for all where it names none
    or all. None where there is nothing to ask for."""
    wanted = placeholders(endpoint)
    compact = [parse(contract).compact for contract in asked.contracts]
    common = {
        "symbols": ",".join(asked.symbols),
        "contracts": ",".join(compact),
        "first": asked.first.isoformat(),
        "last": asked.last.isoformat(),
    }
    if ("symbols" in wanted and not asked.symbols) or ("contracts" in wanted and not compact):
        return
    if "symbol" in wanted:
        for symbol in asked.symbols:
            yield {**common, "symbol": symbol}, {"@symbol": symbol}
    elif "contract" in wanted:
        for contract in compact:
            yield {**common, "contract": contract}, {"@contract": contract}
    else:
        yield common, {}


# ---- From an answer to candidates ----


def _candidates(endpoint: Mapping[str, Any], answer: object, around: Around) -> list[Candidate]:
    rows = endpoint.get("rows", "")
    found: list[Candidate] = []
    for row, keys in _rows(answer, [part for part in rows.split(".") if part], ()):
        known = {**around, **{f"@{number}": key for number, key in enumerate(keys, 1)}}
        found.append({name: _value(endpoint, name, path, row, known) for name, path in endpoint["fields"].items()})
    return found


def _rows(node: object, path: Sequence[str], keys: tuple[object, ...]) -> Iterator[tuple[object, tuple[object, ...]]]:
    """The rows that a path leads to, each with the keys its stars stood for. ProviderError where the answer has another
    shape: nothing was told is an empty list, not a missing one."""
    if not path:
        yield node, keys
        return
    step, rest = path[0], path[1:]
    if step == EVERY and isinstance(node, list):
        for place, each in enumerate(node):
            yield from _rows(each, rest, (*keys, place))
    elif step == EVERY and isinstance(node, Mapping):
        for key, each in node.items():
            yield from _rows(each, rest, (*keys, key))
    elif step != EVERY and isinstance(node, Mapping) and step in node:
        yield from _rows(node[step], rest, keys)
    else:
        raise ProviderError(GARBAGE, f"Its answer has another shape: there is no “{step}” where rows were expected.")


def _value(endpoint: Mapping[str, Any], name: str, path: str, row: object, around: Around) -> object:
    """A field as it came; None where the row has none. What cannot be read stays as it is, for the judge to name."""
    value: object = row
    if path.startswith("@"):
        value = around.get(path)
    else:
        for step in path.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
    if isinstance(value, str) and name in endpoint.get("words", {}):
        value = endpoint["words"][name].get(value, value)
    if _is_plain(value) and name in endpoint.get("scale", {}):
        return Decimal(value) * Decimal(str(endpoint["scale"][name]))  # type: ignore[arg-type]
    if _is_plain(value) and "epoch" in endpoint and name in (*TIMES, *DATES):
        return _instant(Decimal(value), EPOCHS[endpoint["epoch"]]) or value  # type: ignore[arg-type]
    return value


def _is_plain(value: object) -> bool:
    """A number that can be reckoned with: 1e999999999 would take the memory of the machine."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return False
    return isinstance(value, int) or (value.is_finite() and value.adjusted() < MOST_DIGITS)


def _instant(number: Decimal, a_second: int) -> datetime | None:
    """A time told in seconds (or parts of them) since 1970; None for one that is none."""
    try:
        return START_OF_TIME + timedelta(microseconds=int(number * 1_000_000 / a_second))
    except (OverflowError, ValueError, InvalidOperation):
        return None
