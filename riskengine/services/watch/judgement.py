"""What a check says of every open position: columns in, columns out, no statement and no loop over positions.

Two looks, so that slices are read only where the bid stands above the entry: `look` judges quotes, stops and closes,
`decide` adds slices and targets and settles what each position is sold for (A-19).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

import numpy as np
import numpy.typing as npt

from riskengine.calculators import codes, stops, take_profit
from riskengine.calculators.columns import BoolColumn, FloatColumn, IntColumn, above, at_least, half_up_places
from riskengine.calculators.limits import Limits
from riskengine.calculators.take_profit import MAX_SLICES
from riskengine.loading.book import Book, Plan, microseconds, no_plan
from riskengine.loading.copying import NEVER
from riskengine.loading.watched import Watched

SECOND = 1_000_000
PRICE_PLACES = 4
ROUNDING = 0.0002  # USD: prices are rounded to their four places before a slice is compared with them
NO_PRICE, BROKEN, HALTED = "NO_PRICE", "EXIT_ERROR", "UNDERLYING_HALTED"

Rows = IntColumn


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """The portfolio's side of each row: its time, session (both NEVER on a day without one), clock and state."""

    at: IntColumn
    opens_at: IntColumn
    closes_at: IntColumn
    recorded: BoolColumn
    flattening: BoolColumn

    @classmethod
    def of(cls, book: Book, watched: Sequence[Watched]) -> "Market":
        sessions = [w.session for w in watched]
        return cls(
            at=np.array([microseconds(w.at) for w in watched], np.int64),
            opens_at=np.array([microseconds(s.opens_at) if s else NEVER for s in sessions], np.int64),
            closes_at=np.array([microseconds(s.closes_at) if s else NEVER for s in sessions], np.int64),
            recorded=np.array([not w.is_live for w in watched], np.bool_),
            flattening=np.array([w.is_flattening for w in watched], np.bool_),
        )._gathered(book.place)

    def take(self, rows: Rows) -> "Market":
        """Some rows, each at most once and in order: all of them need no copy."""
        return self if len(rows) == len(self.at) else self._gathered(rows)

    def _gathered(self, rows: Rows) -> "Market":
        return Market(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


@dataclass(slots=True, eq=False)
class Judgement:
    """The book and what is said of it. Until a row is judged it holds, and its stored fields stay as they are.

    `sold` and `deferred` are blocks (m, 8) beside `plan`, for the rows `planned`. `errors` is by row:
    a code and a sentence.
    """

    book: Book
    market: Market
    stop: FloatColumn
    high_water: FloatColumn
    stop_breaches: IntColumn
    stop_breached_at: IntColumn
    unusable_since: IntColumn
    active: BoolColumn
    usable: BoolColumn
    fresh: BoolColumn
    expired: BoolColumn
    forced: BoolColumn
    stopped: BoolColumn
    blind: BoolColumn
    target: FloatColumn
    wants_plan: BoolColumn
    reason: npt.NDArray[np.int8]
    contracts: IntColumn
    factor: FloatColumn
    planned: Rows
    plan: Plan
    sold: IntColumn
    deferred: BoolColumn
    errors: dict[int, tuple[str, str]] = field(default_factory=dict)

    @classmethod
    def unjudged(cls, book: Book, watched: Sequence[Watched]) -> "Judgement":
        n = len(book)
        no, nan = (lambda: np.zeros(n, np.bool_)), (lambda: np.full(n, np.nan))
        return cls(
            book=book,
            market=Market.of(book, watched),
            stop=book.current_stop.copy(),
            high_water=book.high_water.copy(),
            stop_breaches=book.stop_breaches.copy(),
            stop_breached_at=book.stop_breached_at.copy(),
            unusable_since=book.unusable_since.copy(),
            active=no(),
            usable=no(),
            fresh=no(),
            expired=no(),
            forced=no(),
            stopped=no(),
            blind=no(),
            target=nan(),
            wants_plan=no(),
            reason=np.full(n, take_profit.HOLD, np.int8),
            contracts=np.zeros(n, np.int64),
            factor=nan(),
            planned=np.zeros(0, np.int64),
            plan=no_plan(0),
            sold=np.zeros((0, MAX_SLICES), np.int64),
            deferred=np.zeros((0, MAX_SLICES), np.bool_),
        )

    def prepare(self, rows: Rows, plan: Plan) -> None:
        """The slices of the rows that `decide` is to look at."""
        self.planned, self.plan = rows, plan
        shape = (len(rows), MAX_SLICES)
        self.sold, self.deferred = np.zeros(shape, np.int64), np.zeros(shape, np.bool_)

    def fail(self, rows: Rows, code: str, sentence: str) -> None:
        """Say why rows could not be judged; the first reason stays."""
        for row in rows.tolist():
            self.errors.setdefault(row, (code, sentence))

    @property
    def raised_stop(self) -> BoolColumn:
        return above(self.stop, self.book.current_stop)

    @property
    def raised_high_water(self) -> BoolColumn:
        return above(self.high_water, self.book.high_water)

    @property
    def defers(self) -> BoolColumn:
        """Rows with a slice that crossed and closes nothing."""
        rows = np.zeros(len(self.book), np.bool_)
        rows[self.planned] = self.deferred.any(axis=1)
        return rows

    @property
    def changed(self) -> BoolColumn:
        """Rows with a field to store."""
        book = self.book
        return (
            self.raised_stop
            | self.raised_high_water
            | (self.stop_breaches != book.stop_breaches)
            | (self.stop_breached_at != book.stop_breached_at)
            | (self.unusable_since != book.unusable_since)
        )


Judge = Callable[[Judgement, Rows, Limits, bool], None]


def groups(book: Book, rows: Rows) -> Iterator[tuple[Rows, int, bool]]:
    """Rows that share rules and numbers: (rows, revision, whether seven-day). Few, however many positions."""
    key = book.revision[rows] * 2 + book.seven_day[rows]
    if len(rows) and key.min() == key.max():
        yield rows, int(key[0]) // 2, bool(key[0] % 2)
        return
    for each in np.unique(key).tolist():
        yield rows[key == each], each // 2, bool(each % 2)


def judge(judgement: Judgement, rows: Rows, limits: Mapping[int, Limits], by: Judge) -> None:
    """Judge rows group by group. What fails in one group is tried again portfolio by portfolio; what fails there is an
    error of those rows, whose stored stop stays, and stops nothing else."""
    for group, revision, seven in groups(judgement.book, rows):
        try:
            by(judgement, group, limits[revision], seven)
        except Exception:  # noqa: BLE001 (whatever it was: exits of the other rows must go on)
            places = judgement.book.place[group]
            for place in np.unique(places).tolist():
                mine = group[places == place]
                try:
                    by(judgement, mine, limits[revision], seven)
                except Exception as error:  # noqa: BLE001 (the same)
                    judgement.fail(mine, BROKEN, f"The exit could not be computed: {error!r}. The stored stop stands.")


# ---- First look: quotes, stops, closes ----


def look(judgement: Judgement, rows: Rows, limits: Limits, seven: bool) -> None:
    """Everything but slices and targets, for rows of one revision and system."""
    book = judgement.book.take(rows)
    market = judgement.market.take(rows)
    expires_today = book.days == 0
    in_session = (market.opens_at <= market.at) & (market.at < market.closes_at)
    over = expires_today & (market.closes_at != NEVER) & (market.at >= market.closes_at)
    expired = (book.days < 0) | over | book.awaiting
    early = book.entry_at > market.at
    active = in_session & ~expired & ~early & ~book.closing & ~book.halted
    frozen = in_session & ~expired & book.halted & expires_today
    if frozen.any():
        judgement.fail(
            rows[frozen], HALTED, "Trading in the underlying is halted: nothing can be sold until it resumes."
        )
    if early.any():
        judgement.fail(rows[early], "CLOCK", "Market time lies before the entry: nothing can be judged by this clock.")

    # A quote from before the open, or from before trading was resumed, is no price: neither a profit nor a blind stop
    # may rest on it.
    opens_at, reopened = trading_since(book, market)
    today = book.confirmed_at >= opens_at
    bid, ask = np.where(today, book.bid, np.nan), np.where(today, book.ask, np.nan)
    age = np.where(today, (market.at - np.where(today, book.confirmed_at, market.at)) / SECOND, np.nan)
    fresh = stops.fresh(age, expires_today, market.recorded, limits)
    tick = np.where(bid < 3.0, book.tick_under, book.tick_from_three)
    usable = stops.usable_for_exit(bid, ask, tick, fresh, limits)
    good = usable & active

    # An adopted position's begins with its stop: what was gained before a person opts in is not locked in.
    high_water = stops.raise_high_water(book.high_water, bid, good & ~np.isnan(book.current_stop))
    stop = book.current_stop
    target = np.full(len(book), np.nan)
    hits_target = np.zeros(len(book), np.bool_)
    if seven:
        dynamic = stops.dynamic_stop(
            entry=book.entry,
            price=np.where(good, bid, np.nan),
            high_water=high_water,
            initial_stop=book.initial_stop,
            previous_stop=book.current_stop,
            stop_fraction=limits.stop_fraction,
            risk_reward=limits.risk_reward,
            profit_lock=limits.profit_lock,
        )
        watched = good & ~np.isnan(book.initial_stop)  # an adopted position has no stop until a person opts in
        stop = np.where(watched, half_up_places(dynamic.stop, PRICE_PLACES), stop)
        target = np.where(watched, dynamic.take_profit, np.nan)
        hits_target = watched & (dynamic.action == stops.CLOSE_TARGET) & ~book.targeting
        refused = watched & (dynamic.refusal != codes.NONE)
        if refused.any():
            judgement.fail(rows[refused], "INVALID_STOP", "Entry, initial stop and high-water mark do not go together.")

    streak = stops.stop_streak(stop, bid, book.confirmed_at, good, book.stop_breaches, book.stop_breached_at, limits)
    since = _unusable_since(book, market, fresh, limits)
    unusable_since = np.where(~active, book.unusable_since, np.where(usable, NEVER, since))
    without = np.where(active & ~usable, (market.at - np.where(usable, market.at, since)) / SECOND, np.nan)
    blind = active & ~usable & stops.blind_stop(stop, bid, ask, fresh, without, limits)
    blind &= ~reopened | (without >= limits.stop_blind_seconds)
    dark = active & ~usable & (without >= limits.stop_blind_seconds) & ~(ask > 0.0) & ~(bid >= 0.0)
    if dark.any():
        judgement.fail(rows[dark], NO_PRICE, "There is no price to hold the stop against.")

    to_close = (market.closes_at - market.at) / SECOND
    forced = active & stops.forced_close_due(
        to_close, np.full(len(book), np.nan), expires_today, limits.forced_close_minutes
    )
    # The first quote after a halt may be anything: it never stops out alone, however deep it is.
    confirmed = ~reopened | (streak.count >= limits.stop_confirmations)
    stopped = good & streak.fires & confirmed | blind
    whole = forced | stopped | (market.flattening & active)
    may_sell = good & ~whole & ~book.entering & (book.pending < book.quantity_open)
    sells = may_sell & (hits_target | _may_cross(book, market, bid, limits, seven))

    judgement.active[rows] = active
    judgement.usable[rows] = usable
    judgement.fresh[rows] = fresh
    judgement.expired[rows] = expired
    judgement.high_water[rows] = high_water
    judgement.stop[rows] = stop
    judgement.target[rows] = np.where(hits_target, target, np.nan)
    judgement.stop_breaches[rows] = np.where(active, streak.count, book.stop_breaches)
    judgement.stop_breached_at[rows] = np.where(active, streak.last_at, book.stop_breached_at)
    judgement.unusable_since[rows] = unusable_since
    judgement.blind[rows] = blind
    judgement.stopped[rows] = stopped
    judgement.forced[rows] = forced
    judgement.wants_plan[rows] = sells
    emergency = market.flattening & active
    judgement.reason[rows] = np.select(
        [emergency, forced, stopped],
        [take_profit.EMERGENCY, take_profit.FORCED_CLOSE, take_profit.STOP],
        take_profit.HOLD,
    )
    judgement.contracts[rows] = np.where(whole, book.quantity_open, 0)


def oldest_usable(book: Book, market: Market, limits: Limits) -> IntColumn:
    """How long after its confirmation each row's quote is fresh, in microseconds; the ages of `stops.fresh`."""
    live = np.where(book.days == 0, limits.quote_max_age_expiring_seconds, limits.quote_max_age_seconds)
    return (np.where(market.recorded, limits.recorded_quote_max_age_seconds, live) * SECOND).astype(np.int64)


def trading_since(book: Book, market: Market) -> tuple[IntColumn, BoolColumn]:
    """Since when there are prices: the session's open, or the end of a halt in it; and where that is a halt's end."""
    reopened = (market.opens_at != NEVER) & (book.resumed_at > market.opens_at)
    return np.where(reopened, book.resumed_at, market.opens_at), reopened


def _unusable_since(book: Book, market: Market, fresh: BoolColumn, limits: Limits) -> IntColumn:
    """Since when an unusable row has had no usable quote: the stored time, else when this quote became known or, if it
    was sound, too old. It is told by the quote, not by the look, so that a slow check counts the same seconds."""
    told = np.where(fresh, book.quoted_at, book.confirmed_at + oldest_usable(book, market, limits))
    opens_at, _ = trading_since(book, market)
    begun = np.maximum(opens_at, book.entry_at)
    told = np.where(book.confirmed_at < opens_at, begun, np.maximum(told, begun))
    stored = np.where(book.unusable_since == NEVER, told, np.maximum(book.unusable_since, opens_at))
    since: IntColumn = np.minimum(stored, market.at)
    return since


def decay_of(book: Book, market: Market, limits: Limits, seven: bool) -> take_profit.Decay:
    """What the thresholds of each row are multiplied by now."""
    if seven:
        return take_profit.dte_decay(book.days.astype(np.float64), limits.dte_factor)
    to_close, since_entry = (market.closes_at - market.at) // SECOND, (market.at - book.entry_at) // SECOND
    return take_profit.time_decay(to_close, since_entry, limits.time_factor, limits.elapsed_factor)


def _may_cross(book: Book, market: Market, bid: FloatColumn, limits: Limits, seven: bool) -> BoolColumn:
    """Rows whose gain reaches the nearest slice that their ladder ever had: the others need no slices read.

    The slices themselves decide. An adopted position has what a person gave it, and is always looked at.
    """
    ladders = (limits.take_profit_morning, limits.take_profit_midday, limits.take_profit_late, limits.partial_profit)
    nearest = np.array([ladder.thresholds.min() for ladder in ladders])[book.regime]
    factor = np.fmin(decay_of(book, market, limits, seven).factor, 1.0)
    return at_least(bid - book.entry, nearest * factor * book.entry - ROUNDING) | (book.adopted & (bid > book.entry))


# ---- Second look: slices and targets ----


def decide(judgement: Judgement, rows: Rows, limits: Limits, seven: bool) -> None:
    """Slices and targets of `rows`, which are among `judgement.planned`."""
    places = np.searchsorted(judgement.planned, rows)
    book, market = judgement.book.take(rows), judgement.market.take(rows)
    decay = decay_of(book, market, limits, seven)
    slices = take_profit.lower(judgement.plan.of(places), decay.factor)
    orders = take_profit.judge_slices(
        slices,
        entry=book.entry,
        bid=book.bid,
        quantity=book.quantity,
        closable=book.quantity_open - book.pending,
        round_trip_cost=2.0 * limits.fee_per_contract / book.multiplier,
    )
    never = np.zeros(len(book), np.bool_)
    exits = take_profit.judge_exits(
        orders,
        emergency=never,
        forced_close=never,
        stop=never,
        target=~np.isnan(judgement.target[rows]),
        quantity=book.quantity,
        quantity_open=book.quantity_open,
    )
    judgement.reason[rows] = exits.reason
    judgement.contracts[rows] = exits.contracts
    judgement.factor[rows] = decay.factor
    judgement.sold[places] = orders.contracts
    # What crossed and closes nothing is carried into the next slice, also when another slice of this order sells.
    judgement.deferred[places] = orders.crossed & (orders.contracts == 0)
