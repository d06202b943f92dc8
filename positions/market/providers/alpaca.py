"""Alpaca's market data, through alpaca-py.

The library costs 70 MB and 2.7 s when it is imported (pandas, pydantic): this module is imported where a provider is of
its kind and nowhere else. It sets no time-out and sleeps 3 s after each 429, so its sessions are given our guarded
adapter, which retries within the deadline, and its own retries are switched off. Its models are not used: one bad value
in them fails a whole answer, and they know no exact number.

There are no fundamentals, earnings or indices (SPX, VIX) here: another provider brings those.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from alpaca.common.rest import RESTClient
from alpaca.data.enums import Adjustment, CorporateActionsType, DataFeed, OptionsFeed
from alpaca.data.historical import OptionHistoricalDataClient, StockHistoricalDataClient
from alpaca.data.historical.corporate_actions import CorporateActionsClient
from alpaca.data.requests import (
    CorporateActionsRequest,
    OptionChainRequest,
    OptionLatestQuoteRequest,
    StockBarsRequest,
    StockLatestTradeRequest,
)
from alpaca.data.timeframe import TimeFrame

from positions.market.providers.allowance import Allowance
from positions.market.providers.base import CLOSES, GARBAGE, QUOTES, SPLITS, Asked, Candidate, ProviderError
from positions.market.providers.transport import Line, guard
from positions.market.symbols import parse

CONTRACTS_A_REQUEST = 100
INDICES = frozenset({"SPX", "XSP", "VIX"})  # not to be had here; asking for one would refuse the whole request
SPLIT_TYPES = (CorporateActionsType.FORWARD_SPLIT, CorporateActionsType.REVERSE_SPLIT)


class AlpacaProvider:
    """One question to Alpaca. `base_url` empty: Alpaca's own."""

    def __init__(
        self,
        base_url: str,
        settings: Mapping[str, Any],
        key: str,
        secret: str,
        line: Line,
        allowance: Allowance,
    ) -> None:
        self._settings = settings
        self._line = line
        given: dict[str, Any] = {"api_key": key, "secret_key": secret, "raw_data": True}
        if base_url:
            given["url_override"] = base_url.rstrip("/")
        self._stocks = StockHistoricalDataClient(**given)
        self._options = OptionHistoricalDataClient(**given)
        self._actions = CorporateActionsClient(**given)
        for client in self._clients:
            guard(client._session, line, allowance)
            client._retry = 0

    @property
    def _clients(self) -> Sequence[RESTClient]:
        return self._stocks, self._options, self._actions

    def fetch(self, asked: Asked) -> Sequence[Candidate]:
        bring = {QUOTES: self._quotes, CLOSES: self._closes, SPLITS: self._splits}[asked.what]
        try:
            return list(bring(asked))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # What the library does with an answer of another shape; each row's values are judged later.
            sentence = f"Its answer has another shape than Alpaca documents ({type(error).__name__})."
            raise ProviderError(GARBAGE, sentence) from error
        finally:
            for client in self._clients:
                client._session.close()
            self._line.cut()

    def hang_up(self) -> None:
        self._line.cut()

    # ---- Quotes ----

    def _quotes(self, asked: Asked) -> Iterator[Candidate]:
        """The last trades of the underlyings, the last quotes of the contracts, and the chains around the money."""
        symbols = _listed(asked.symbols)
        prices: dict[str, object] = {}
        if symbols:
            request = StockLatestTradeRequest(symbol_or_symbols=symbols, feed=self._stock_feed)
            for symbol, trade in _raw(self._stocks.get_stock_latest_trade(request)).items():
                prices[symbol] = trade["p"]
                yield {"symbol": symbol, "price": trade["p"], "at": trade["t"]}
        quoted: set[str] = set()
        for contract, quote in self._chains(symbols, prices, asked.first):
            quoted.add(contract)
            yield _quote(contract, quote)
        for contract, quote in self._latest([each for each in asked.contracts if each not in quoted]):
            yield _quote(contract, quote)

    def _latest(self, contracts: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        compact = [parse(each).compact for each in contracts]
        for start in range(0, len(compact), CONTRACTS_A_REQUEST):
            request = OptionLatestQuoteRequest(
                symbol_or_symbols=compact[start : start + CONTRACTS_A_REQUEST], feed=OptionsFeed.OPRA
            )
            yield from _raw(self._options.get_option_latest_quote(request)).items()

    def _chains(
        self, symbols: Sequence[str], prices: Mapping[str, object], today: date
    ) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """What could be entered: expirations of the days ahead, strikes around the last trade."""
        days, percent = self._settings.get("chain_days", 0), self._settings.get("chain_percent", 5)
        for symbol in symbols if days else ():
            around = prices.get(symbol)
            if not isinstance(around, int | float) or not 0 < around < 1_000_000:
                continue
            request = OptionChainRequest(
                underlying_symbol=symbol,
                feed=OptionsFeed.OPRA,
                strike_price_gte=around * (1 - percent / 100),
                strike_price_lte=around * (1 + percent / 100),
                expiration_date_gte=today,
                expiration_date_lte=today + timedelta(days=days),
            )
            for contract, snapshot in _raw(self._options.get_option_chain(request)).items():
                if snapshot.get("latestQuote"):
                    yield _padded(contract), snapshot["latestQuote"]

    # ---- History ----

    def _closes(self, asked: Asked) -> Iterator[Candidate]:
        """Daily bars as they traded, with the closes adjusted for splits and dividends. A session that has no adjusted
        bar has no adjusted close, and is refused by the judge: the raw one would be a jump."""
        raw, adjusted = self._bars(asked, Adjustment.RAW), self._bars(asked, Adjustment.ALL)
        adjusted_closes = {(symbol, bar["t"]): bar["c"] for symbol, bars in adjusted.items() for bar in bars}
        for symbol, bars in raw.items():
            for bar in bars:
                yield {
                    "symbol": symbol,
                    "session_on": bar["t"],
                    "close": bar["c"],
                    "adjusted_close": adjusted_closes.get((symbol, bar["t"])),
                    "open": bar.get("o"),
                    "high": bar.get("h"),
                    "low": bar.get("l"),
                    "volume": bar.get("v"),
                }

    def _bars(self, asked: Asked, adjustment: Adjustment) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        symbols = _listed(asked.symbols)
        if not symbols:
            return {}
        request = StockBarsRequest(
            symbol_or_symbols=symbols,
            timeframe=TimeFrame.Day,
            start=datetime.combine(asked.first, time(0), UTC),
            end=datetime.combine(asked.last, time(23, 59), UTC),
            adjustment=adjustment,
            feed=self._stock_feed,
        )
        return _raw(self._stocks.get_stock_bars(request))

    def _splits(self, asked: Asked) -> Iterator[Candidate]:
        symbols = _listed(asked.symbols)
        if not symbols:
            return
        request = CorporateActionsRequest(symbols=symbols, types=list(SPLIT_TYPES), start=asked.first, end=asked.last)
        found = _raw(self._actions.get_corporate_actions(request))
        for kind in ("forward_splits", "reverse_splits"):
            for action in found.get(kind) or ():
                yield {
                    "symbol": action["symbol"],
                    "effective_on": action["ex_date"],
                    "new_shares": action["new_rate"],
                    "old_shares": action["old_rate"],
                }

    @property
    def _stock_feed(self) -> DataFeed:
        return DataFeed(self._settings.get("stock_feed", "iex"))


def _raw(answer: object) -> Mapping[str, Any]:
    """What the library returns is the provider's own JSON, since it was asked for that."""
    if not isinstance(answer, Mapping):
        raise TypeError("not an object")
    return answer


def _listed(symbols: Sequence[str]) -> list[str]:
    return [symbol for symbol in symbols if symbol not in INDICES]


def _padded(contract: str) -> str:
    try:
        return str(parse(contract))
    except ValueError:
        return contract  # the judge names it


def _quote(contract: str, quote: Mapping[str, Any]) -> Candidate:
    """Alpaca writes a missing side as a price and a size of 0."""
    sides: dict[str, object] = {}
    for name, price, size in (("bid", quote["bp"], quote["bs"]), ("ask", quote["ap"], quote["as"])):
        missing = price == 0 and size == 0
        sides |= {name: None if missing else price, f"{name}_size": None if missing else size}
    return {"contract": contract, "at": quote["t"], **sides}
