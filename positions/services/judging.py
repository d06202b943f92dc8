"""From an answer to stored rows: judged, stored under the provider's name, and compared with what was asked."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from positions.market.calendar import Calendar
from positions.market.feeds.base import Batch
from positions.market.providers import judge
from positions.market.providers.base import CLOSES, EARNINGS, FUNDAMENTALS, QUOTES, Asked, Candidate, CloseRow
from positions.market.symbols import parse
from positions.models import DataProvider
from positions.services import provided
from positions.services.asking import roots_of_chains, sessions_over
from positions.services.provided import Kept
from positions.services.quotes import list_contracts, list_instruments, store_batch


@dataclass(slots=True)
class Answered:
    """What became of an answer. `gaps`: by symbol or contract, the sessions that were not told; an empty list where
    nothing was."""

    new: int = 0
    changed: int = 0
    known: int = 0
    late: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    gaps: dict[str, list[str]] = field(default_factory=dict)


def store_answer(
    answer: Sequence[Candidate], asked: Asked, provider: DataProvider, *, calendar: Calendar, now: datetime
) -> Answered:
    """Within a transaction. `now` is wall time when the answer was there."""
    if asked.what == QUOTES:
        return _quotes(answer, asked, provider, now)
    if asked.what == CLOSES:
        return _closes(answer, asked, provider.name, calendar, now)
    if asked.what == FUNDAMENTALS:
        inputs = judge.judge_fundamentals(answer, asked)
        kept = provided.store_fundamentals(inputs.rows, source=provider.name)
        return _answered(kept, inputs.reasons, _silent(asked, (row.symbol for row in inputs.rows)))
    if asked.what == EARNINGS:
        dates = judge.judge_earnings(answer, asked)
        kept = provided.store_earnings(dates.rows, source=provider.name)
        return _answered(kept, dates.reasons, _silent(asked, (row.symbol for row in dates.rows)))
    splits = judge.judge_splits(answer, asked)
    return _answered(provided.store_splits(splits.rows, source=provider.name), splits.reasons, {})


def _quotes(answer: Sequence[Candidate], asked: Asked, provider: DataProvider, now: datetime) -> Answered:
    batch, reasons = judge.judge_quotes(answer, asked, chain_of=roots_of_chains(provider, asked), now=now)
    list_instruments({tick.symbol for tick in batch.prices})
    list_contracts({parse(tick.contract) for tick in batch.quotes})
    stored = store_batch(batch, source=provider.name)
    told = {tick.contract for tick in batch.quotes} | {tick.symbol for tick in batch.prices}
    new = stored.quotes + stored.prices + stored.volatility
    return Answered(
        new=new,
        known=stored.confirmed,
        late=stored.late,
        reasons=reasons,
        gaps={name: [] for name in (*asked.contracts, *asked.symbols) if name not in told} if _any(batch) else {},
    )


def _any(batch: Batch) -> bool:
    return bool(batch.quotes or batch.prices or batch.volatility)


def _closes(answer: Sequence[Candidate], asked: Asked, source: str, calendar: Calendar, now: datetime) -> Answered:
    sessions = sessions_over(calendar, asked.first, asked.last, now)
    splits = provided.splits_on_record(asked.symbols, since=asked.first)
    judged = judge.judge_closes(answer, asked, sessions=sessions, splits=splits)
    kept = provided.store_closes(judged.rows, source=source)
    return _answered(kept, judged.reasons, _gaps(judged.rows, asked, sessions))


def _gaps(rows: Iterable[CloseRow], asked: Asked, sessions: Collection[date]) -> dict[str, list[str]]:
    """The sessions of the asked range that are over and were not told, by symbol; all are asked for again next time."""
    told = {(row.symbol, row.session_on) for row in rows}
    missing = {
        symbol: [day.isoformat() for day in sorted(sessions) if (symbol, day) not in told] for symbol in asked.symbols
    }
    return {symbol: days for symbol, days in missing.items() if days}


def _silent(asked: Asked, told: Iterable[str]) -> dict[str, list[str]]:
    heard = set(told)
    return {symbol: [] for symbol in asked.symbols if symbol not in heard}


def _answered(kept: Kept, reasons: Mapping[str, int], gaps: dict[str, list[str]]) -> Answered:
    all_reasons = Counter(reasons)
    all_reasons.update(kept.reasons or {})
    return Answered(new=kept.new, changed=kept.changed, known=kept.known, reasons=all_reasons, gaps=gaps)
