"""What providers answer, in the shapes they document. Closes are real: the recorded ones of the product, undone by the
splits of Apple since (7:1 on 2014-06-09, 4:1 on 2020-08-31). Fundamentals and earnings are ILLUSTRATIVE, made up here.
"""

import csv
import gzip
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any

from positions import recorded
from positions.market.calendar import new_york_instant
from positions.models import ExchangeSession

SPLIT_ON = date(2014, 6, 9)
SINCE_2020, SINCE_2014 = 4, 7
CENT = Decimal("0.01")
COLUMNS = ("open", "high", "low", "close", "adj_close")


@cache
def recorded_closes() -> dict[date, tuple[Any, ...]]:
    """Apple's prices of 2014 in the order of `COLUMNS`, and volume, as recorded: adjusted for every split since."""
    with gzip.open(recorded.CLOSES, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["symbol"] == "AAPL" and row["date"].startswith("2014")]
    found = {}
    for row in rows:
        opened, high, low, close, adjusted = (Decimal(row[name]) for name in COLUMNS)
        found[date.fromisoformat(row["date"])] = (opened, high, low, close, adjusted, int(float(row["volume"])))
    return found


def sessions_2014() -> None:
    """The recorded sessions around it."""
    with gzip.open(recorded.SESSIONS, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if "2013-06" <= row["session"] < "2015"]
    ExchangeSession.objects.bulk_create(
        ExchangeSession(
            exchange="XNYS",
            session_on=row["session"],
            open_at=datetime.fromisoformat(row["open_utc"]),
            close_at=datetime.fromisoformat(row["close_utc"]),
            is_early=row["early"] == "True",
        )
        for row in rows
    )


def bars(first: date, last: date, *, adjusted_until: date | None = None) -> list[dict[str, Any]]:
    """Apple's daily bars in Alpaca's shape: as they traded, or (`adjusted_until`) adjusted for splits up to a date."""
    told = []
    for on, (*prices, _, volume) in recorded_closes().items():
        if not first <= on <= last:
            continue
        times = SINCE_2020 * (SINCE_2014 if on < SPLIT_ON else 1)
        if adjusted_until is not None and adjusted_until >= SPLIT_ON:
            times = SINCE_2020
        opened, high, low, close = (float((price * times).quantize(CENT)) for price in prices)
        midnight = new_york_instant(on, time(0))
        told.append(
            {
                "t": midnight.strftime("%Y-%m-%dT%H:%M:%SZ"), "o": opened, "h": max(high, close), "l": min(low, close),
                "c": close, "v": volume // times, "n": 1, "vw": close,
            }
        )  # fmt: skip
    return told


def bars_page(found: list[dict[str, Any]], token: str | None = None) -> dict[str, Any]:
    return {"bars": {"AAPL": found}, "next_page_token": token}


APPLES_SPLIT = {
    "corporate_actions": {
        "forward_splits": [
            {
                "id": "0", "symbol": "AAPL", "cusip": "037833100", "new_rate": 7, "old_rate": 1,
                "process_date": "2014-06-09", "ex_date": "2014-06-09", "record_date": "2014-06-02",
                "payable_date": "2014-06-06", "due_bill_redemption_date": "2014-06-11",
            }
        ]
    },
    "next_page_token": None,
}  # fmt: skip


def option_quote(bid: float, ask: float, at: str, bid_size: int = 10, ask_size: int = 12) -> dict[str, Any]:
    return {"ap": ask, "as": ask_size, "ax": "A", "bp": bid, "bs": bid_size, "bx": "A", "c": " ", "t": at}


def option_quotes(**quotes: dict[str, Any]) -> dict[str, Any]:
    return {"quotes": quotes}


def trades(price: float, at: str, symbol: str = "AAPL") -> dict[str, Any]:
    return {"trades": {symbol: {"c": ["@"], "i": 1, "p": price, "s": 100, "t": at, "x": "V", "z": "C"}}}


# ---- The generic provider: a shape of our own, described by its settings ----

CLOSES_ENDPOINT: dict[str, Any] = {
    "brings": "closes",
    "path": "/eod/{symbol}",
    "query": {"from": "{first}", "to": "{last}"},
    "rows": "data.*",
    "fields": {
        "symbol": "@symbol", "session_on": "date", "close": "close", "adjusted_close": "adjClose", "open": "open",
        "high": "high", "low": "low", "volume": "volume",
    },
}  # fmt: skip
QUOTES_ENDPOINT: dict[str, Any] = {
    "brings": "quotes",
    "path": "/quotes",
    "query": {"contracts": "{contracts}"},
    "rows": "quotes.*",
    "fields": {
        "contract": "@1", "bid": "bid.price", "bid_size": "bid.size", "ask": "ask.price", "ask_size": "ask.size",
        "at": "time",
    },
}  # fmt: skip
VIX_ENDPOINT: dict[str, Any] = {
    "brings": "quotes",
    "path": "/indices",
    "rows": "*",
    "fields": {"index": "name", "level": "level", "at": "at"},
    "epoch": "ms",
}
FUNDAMENTALS_ENDPOINT: dict[str, Any] = {
    "brings": "fundamentals",
    "path": "/fundamentals",
    "query": {"symbols": "{symbols}"},
    "rows": "*",
    "fields": {
        "symbol": "@1", "as_of_on": "asOf", "earnings_surprise_percent": "surprise", "analyst_buy_percent": "buy",
        "analyst_sell_percent": "sell", "pe_ratio": "pe", "sector_pe_ratio": "sectorPe",
    },
    "scale": {"earnings_surprise_percent": 100},
}  # fmt: skip
EARNINGS_ENDPOINT: dict[str, Any] = {
    "brings": "earnings",
    "path": "/earnings",
    "rows": "calendar.*",
    "fields": {"symbol": "ticker", "reports_on": "date", "timing": "when"},
    "words": {"timing": {"bmo": "before_open", "amc": "after_close"}},
}
SPLITS_ENDPOINT: dict[str, Any] = {
    "brings": "splits",
    "path": "/splits",
    "rows": "*",
    "fields": {"symbol": "ticker", "effective_on": "on", "new_shares": "new", "old_shares": "old"},
}
ENDPOINTS = [
    CLOSES_ENDPOINT, QUOTES_ENDPOINT, VIX_ENDPOINT, FUNDAMENTALS_ENDPOINT, EARNINGS_ENDPOINT, SPLITS_ENDPOINT,
]  # fmt: skip

ILLUSTRATIVE_FUNDAMENTALS = {"AAPL": {"asOf": "2014-06-02", "surprise": 0.0425, "buy": 71, "sell": 8, "pe": 15.5}}
ILLUSTRATIVE_EARNINGS = {"calendar": [{"ticker": "AAPL", "date": "2014-07-22", "when": "amc"}]}


def daily(first: date, last: date, change: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """Apple's closes in the generic shape, adjusted for the split from the day on which `last` is after it."""
    adjusted = {bar["t"]: bar["c"] for bar in bars(first, last, adjusted_until=last)}
    rows = [
        {
            "date": bar["t"][:10], "open": bar["o"], "high": bar["h"], "low": bar["l"], "close": bar["c"],
            "adjClose": adjusted[bar["t"]], "volume": bar["v"],
        }
        for bar in bars(first, last)
    ]  # fmt: skip
    if change:
        for row in rows:
            change(row)
    return {"data": rows}
