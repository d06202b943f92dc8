"""The numbers of the two systems: name, unit, bounds, default, meaning and source of every parameter.

This is the one list. The revision columns (`accounts.models`), the admin form, the limits columns of the calculators
(`riskengine.calculators.limits`) and the `cfg` names of `manage.py evaluate` carry the same names; a test equates them.
It imports no Django, so `evaluate` and the tests read it without a database.

Sources: "SPEC n" is row n of the requirements inventory; "P-xx", "A-xx", "B-xx" its algorithms, additions, decisions.
Fractions are stored as fractions (0.20) and shown as percent. Two limits are percents at the door (API, evaluate: 66
means 66%) and fractions everywhere inside: `PERCENT_AT_THE_DOOR` (B-29).
"""

from collections.abc import Mapping
from decimal import Decimal

from accounts.parameter import GROUPS, MAG7_7DTE, SMART_0DTE, SYSTEMS, Ladder, Parameter, Step, Unit

__all__ = [
    "GROUPS", "LADDERS", "MAG7_7DTE", "MAX_STEPS", "PARAMETERS", "PERCENT_AT_THE_DOOR", "SMART_0DTE", "SYSTEMS",
    "Ladder", "Parameter", "Step", "Unit",
]  # fmt: skip

PERCENT_AT_THE_DOOR = frozenset({"max_portfolio_risk", "max_stock_allocation"})


MAX_STEPS = 8


def _number(value: str | int) -> Decimal:
    return Decimal(value)


def _p(
    name: str, label: str, group: str, unit: Unit, zero: str, seven: str, low: str, high: str, source: str, meaning: str
) -> Parameter:
    return Parameter(
        name, label, group, unit, (_number(zero), _number(seven)), _number(low), _number(high), (), source, meaning
    )


def _switch(name: str, label: str, group: str, zero: bool, seven: bool, source: str, meaning: str) -> Parameter:
    return Parameter(name, label, group, Unit.YES_NO, (zero, seven), None, None, (), source, meaning)


def _choice(name: str, label: str, group: str, choices: tuple[str, ...], source: str, meaning: str) -> Parameter:
    return Parameter(name, label, group, Unit.CHOICE, (choices[0], choices[0]), None, None, choices, source, meaning)


# Two lines a number: a table to read, not code.
# fmt: off
U = Unit
_SIZING = (
    _p("account_size", "Configured account", "sizing", U.USD, "60000", "100000", "1000", "1000000000", "SPEC 1, 53",
       "Sizes count from the smaller of this and the start-of-day equity (0DTE), so a loss lowers them by itself "
       "and only an explicit change raises them. 7DTE counts from start-of-day equity."),
    _p("min_position_size", "Minimum bet", "sizing", U.FRACTION, "0.20", "0.33", "0.001", "1", "SPEC 2, 10, 19, 54",
       "Smallest bet as a share of the account. No bet is ever between zero and this."),
    _p("min_position_dollars", "Minimum bet in dollars", "sizing", U.USD, "0", "33000", "0", "1000000000", "SPEC 54",
       "The minimum bet never falls under this amount: max(33,000, 33% of equity) for Mag7-7DTE."),
    _p("max_position_size", "Maximum bet", "sizing", U.FRACTION, "0.40", "0.66", "0.001", "1", "SPEC 3, 9, 55, B-25",
       "Hard cap of one bet as a share of the account."),
    _p("max_total_exposure", "Exposure limit", "sizing", U.FRACTION, "0.80", "0.80", "0.001", "1", "SPEC 36, A-15",
       "Open premium and reserved orders together never exceed this share of the account."),
    _p("min_size_multiplier", "Lowest multiplier", "sizing", U.MULTIPLE, "1", "1", "1", "10", "SPEC 23",
       "The factors never take a bet under this many minimum bets."),
    _p("max_size_multiplier", "Highest multiplier", "sizing", U.MULTIPLE, "2", "2", "1", "10", "SPEC 23",
       "The factors never take a bet over this many minimum bets."),
    _p("rounding_overshoot", "Rounding overshoot", "sizing", U.MULTIPLE, "1.25", "1.25", "1", "2", "SPEC 4 (NEW)",
       "Rounding up to whole contracts may reach this many minimum bets at most: one confidence step."),
    _choice("below_minimum_policy", "Below-minimum policy", "sizing", ("raise", "refuse"),
            "B-04", "raise: bet the minimum and warn (the source's rule). refuse: do not bet (better practice)."),
    _p("max_portfolio_risk", "Risk budget", "sizing", U.FRACTION, "0.02", "0.02", "0.0001", "1", "SPEC 60, B-15",
       "Budget for the loss at the stop, as a share of equity. Shown and warned about; a cap only with the switch."),
    _switch("enforce_risk_budget", "Enforce the risk budget", "sizing", False, False, "B-15",
            "On: the loss at the stop must fit the risk budget. With the defaults this refuses every bet."),
    _switch("enforce_day_budget", "Enforce the day's budget", "sizing", False, False, "B-08",
            "On: the loss at the stop must fit what is left of the day's loss limit."),
    _p("max_stock_allocation", "Allocation to one stock", "sizing", U.FRACTION, "0.66", "0.66", "0.001", "1",
       "SPEC 64, B-16, B-29",
       "Share of equity in one underlying, open orders included (Mag7-7DTE)."),
    _switch("min_overrides_allocation", "The minimum bet overrides the allocation", "sizing", True, True, "B-16",
            "On: the first bet in a stock may be the minimum bet even when that is more than the allocation."),
)
_FACTORS = (
    _p("vix_adjustment_factor", "VIX adjustment (unused)", "factors", U.FRACTION, "0.5", "0.5", "0", "1",
       "SPEC 20, B-54",
       "Stated by the source, not used by the tiered model."),
    _p("confidence_adjustment_factor", "Confidence adjustment (unused)", "factors", U.FRACTION, "0.3", "0.3", "0", "1",
       "SPEC 21, B-54",
       "Stated by the source, not used by the tiered model."),
    _p("correlation_adjustment_factor", "Correlation adjustment", "factors", U.FRACTION, "0.2", "0.2", "0", "1",
       "SPEC 22, P-02",
       "0DTE: the factor is 1 - this x correlation risk."),
    _p("correlation_missing_factor", "Factor without correlation", "factors", U.MULTIPLE, "0.8", "0.8", "0", "1",
       "SPEC 69, B-23",
       "7DTE: the factor when no pair can be measured, and its ceiling when some cannot."),
    _choice("fundamental_mode", "Fundamental factor", "factors", ("absolute", "relative"), "SPEC 4",
            "absolute: the source's multiplier of the minimum, a ceiling. relative: compared with a neutral score."),
    _choice("volatility_index", "Volatility index", "factors", ("VIX", "VIX1D"), "SPEC 9",
            "VIX measures 30 days, VIX1D one day. The factors and the gate read this one."),
    _choice("confidence_scaling", "Confidence that scales", "factors", ("calibrated", "raw"), "P-13, A-21",
            "calibrated: as far as the account's own closed trades bear it out. raw: as the signal says. Either way a "
            "tier surely under its break-even scales at 1.0."),
    _p("calibration_prior_trades", "Weight of the raw confidence", "factors", U.COUNT, "30", "30", "1", "10000",
       "P-13 (NEW)",
       "After this many closed trades the record weighs as much as the signal's own word."),
    _p("proven_after_trades", "Trades before a verdict", "factors", U.COUNT, "30", "30", "1", "10000", "P-13",
       "From so many closed trades on, a confidence tier that is surely under its break-even scales at 1.0."),
)
_FUNDAMENTALS = (
    _p("neutral_score", "Neutral score", "fundamentals", U.SCORE, "0.5", "0.5", "0", "1", "SPEC 66",
       "Where the score starts."),
    _p("earnings_strong_percent", "Strong earnings surprise", "fundamentals", U.PERCENT, "10", "10", "0", "1000",
       "SPEC 66",
       "Above this (below its negative) the strong points are added (taken)."),
    _p("earnings_strong_points", "Points for a strong surprise", "fundamentals", U.SCORE, "0.2", "0.2", "0", "1",
       "SPEC 66",
       "Added or taken for a strong surprise."),
    _p("earnings_moderate_percent", "Moderate earnings surprise", "fundamentals", U.PERCENT, "5", "5", "0", "1000",
       "SPEC 66",
       "Above this (below its negative) the moderate points are added (taken)."),
    _p("earnings_moderate_points", "Points for a moderate surprise", "fundamentals", U.SCORE, "0.1", "0.1", "0", "1",
       "SPEC 66",
       "Added or taken for a moderate surprise."),
    _p("analyst_buy_percent", "Buy ratings", "fundamentals", U.PERCENT, "70", "70", "0", "100", "SPEC 66",
       "Above this share of buy ratings the analyst points are added."),
    _p("analyst_sell_percent", "Sell ratings", "fundamentals", U.PERCENT, "50", "50", "0", "100", "SPEC 66",
       "Otherwise, above this share of sell ratings they are taken."),
    _p("analyst_points", "Points for ratings", "fundamentals", U.SCORE, "0.1", "0.1", "0", "1", "SPEC 66",
       "Added or taken for analyst ratings."),
    _p("pe_cheap_ratio", "Cheap P/E against the sector", "fundamentals", U.MULTIPLE, "0.7", "0.7", "0", "10", "SPEC 66",
       "P/E under this many sector P/Es adds the valuation points."),
    _p("pe_expensive_ratio", "Expensive P/E against the sector", "fundamentals", U.MULTIPLE, "1.5", "1.5", "0", "10",
       "SPEC 66",
       "P/E over this many sector P/Es takes the valuation points."),
    _p("pe_points", "Points for valuation", "fundamentals", U.SCORE, "0.1", "0.1", "0", "1", "SPEC 66",
       "Added or taken for valuation."),
    _p("fundamentals_max_age_days", "Oldest usable fundamentals", "fundamentals", U.DAYS, "100", "100", "1", "1000",
       "P-14, B-22",
       "Older data counts as missing."),
)
_CORRELATION = (
    _p("correlation_window_sessions", "Window", "correlation", U.SESSIONS, "60", "60", "5", "1000", "P-12",
       "Daily returns in the correlation."),
    _p("correlation_min_common_sessions", "Common dates needed", "correlation", U.SESSIONS, "40", "40", "3", "1000",
       "P-12",
       "Fewer common returns than this: the pair is not measurable."),
    _p("correlation_max_age_sessions", "Oldest usable matrix", "correlation", U.SESSIONS, "3", "3", "0", "100", "P-12",
       "An older matrix counts as missing."),
    _p("max_effective_exposure", "Effective exposure alert", "correlation", U.FRACTION, "0.66", "0.66", "0", "5",
       "P-11",
       "Alert when sqrt(w'Rw) over equity exceeds this."),
    _p("high_pair_correlation", "High pair correlation", "correlation", U.FRACTION, "0.8", "0.8", "0", "1",
       "P-11, P-15",
       "Pairs above this are listed as one bet, and dropped in signal selection."),
    _choice("correlation_method", "Method", "correlation", ("pearson", "ewma", "ledoit_wolf"), "P-12 (others NEW)",
            "pearson: every session counts alike. ewma: recent ones count more. ledoit_wolf: shrunk towards none."),
    _p("correlation_ewma_decay", "Decay of the weights", "correlation", U.FRACTION, "0.94", "0.94", "0.5", "0.999999",
       "P-12 (NEW)",
       "ewma: a session weighs this much of the one after it."),
)
_SIGNALS = (
    _p("signal_lifetime_minutes", "Lifetime of a signal", "signals", U.MINUTES, "15", "15", "1", "10080", "P-15 (NEW)",
       "A signal that says no end of its own is dropped after this long."),
    _choice("strike_selection", "Strike by", "signals", ("delta", "moneyness"), "SPEC 9 (NEW)",
            "Which listed strike a signal buys that names no contract."),
    _p("strike_target_delta", "Delta looked for", "signals", U.FRACTION, "0.50", "0.50", "0.01", "0.99", "SPEC 9 (NEW)",
       "delta: the usable contract whose delta, without its sign, is nearest."),
    _p("strike_target_moneyness", "Moneyness looked for", "signals", U.FRACTION, "0", "0", "0", "0.50",
       "SPEC 9 (NEW)",
       "moneyness: the usable contract nearest to this far out of the money."),
)
_ENTRY = (
    _p("min_confidence_threshold", "Lowest tradable confidence", "entry", U.FRACTION, "0.65", "0.65", "0", "1",
       "SPEC 16, B-03",
       "A signal under this confidence is sized for information only."),
    _p("max_vix_threshold", "Highest VIX for entries", "entry", U.VIX_POINTS, "30", "30", "1", "200", "SPEC 15, B-05",
       "No entries above it; exactly at it is allowed."),
    _p("max_correlation_risk", "Highest correlation risk", "entry", U.FRACTION, "0.8", "0.8", "0", "1", "SPEC 17, P-02",
       "0DTE: no entry when the correlation risk with other open symbols is above this."),
    _p("max_positions_per_symbol", "Positions in one symbol", "entry", U.COUNT, "2", "2", "1", "100", "SPEC 11",
       "0DTE: open positions allowed in one symbol."),
    _p("max_total_positions", "Open positions", "entry", U.COUNT, "5", "5", "1", "1000", "SPEC 12",
       "0DTE: open positions allowed in all. The exposure limit binds first with the defaults (B-06)."),
    _p("max_portfolio_delta", "Delta limit", "entry", U.SHARES_PER_DOLLAR, "0.10", "0.10", "0", "10",
       "SPEC 13, P-05, A-14",
       "Book delta in SPY share-equivalents after the trade: at most this x basis (6,000 shares on $60,000)."),
    _p("max_portfolio_gamma", "Gamma limit", "entry", U.SHARES_PER_DOLLAR, "0.05", "0.05", "0", "10",
       "SPEC 14, P-05, A-14",
       "Book gamma in SPY share-equivalents per dollar after the trade: at most this x basis (3,000 on $60,000)."),
    _p("entry_delay_minutes", "Minutes after the open", "entry", U.MINUTES, "5", "5", "0", "390", "A-16",
       "No entry before this many minutes after the session's open (09:35)."),
    _p("last_entry_minutes", "Minutes before the forced close", "entry", U.MINUTES, "30", "0", "0", "390", "P-09, A-16",
       "No 0DTE entry in the last minutes before the forced close."),
    _p("min_expiration_days", "Earliest expiration", "entry", U.DAYS, "0", "5", "0", "365", "A-16, SPEC 9",
       "Calendar days to expiration at entry, at least."),
    _p("max_expiration_days", "Latest expiration", "entry", U.DAYS, "0", "9", "0", "365", "A-16, SPEC 9",
       "Calendar days to expiration at entry, at most."),
    _switch("refuse_earnings_before_expiry", "Refuse earnings before expiration", "entry", False, True, "B-55, A-16",
            "7DTE: an earnings date before expiration refuses the entry."),
    _switch("refuse_ex_dividend_before_expiry", "Refuse ex-dividend before expiration", "entry", False, False,
            "SPEC 9 (NEW)",
            "On: an ex-dividend date after today and not after the expiration refuses a call, which falls with it."),
    _p("heartbeat_max_age_seconds", "Oldest risk check", "entry", U.SECONDS, "90", "90", "1", "86400", "P-22, A-10",
       "No entry when the last finished risk check is older than this."),
    _p("decision_expires_seconds", "Decision lifetime", "entry", U.SECONDS, "60", "60", "1", "3600", "P-19",
       "An approved size can become an order for this long."),
    _p("max_opening_intents", "Opening intents", "entry", U.COUNT, "5", "5", "1", "1000", "A-04",
       "More than this many opening intents within the window stop entries until a person re-enables them."),
    _p("opening_intents_window_seconds", "Window for opening intents", "entry", U.SECONDS, "60", "60", "1", "86400",
       "A-04",
       "The window in which opening intents are counted."),
)
_LIQUIDITY = (
    _p("quote_max_age_expiring_seconds", "Oldest quote, expiring today", "liquidity", U.SECONDS, "5", "5", "1", "3600",
       "A-05",
       "A live quote of an option that expires today is fresh for this long."),
    _p("quote_max_age_seconds", "Oldest quote, others", "liquidity", U.SECONDS, "30", "30", "1", "3600", "A-05",
       "A live quote of another option is fresh for this long."),
    _p("recorded_quote_max_age_seconds", "Oldest recorded bar", "liquidity", U.SECONDS, "60", "60", "1", "3600", "A-05",
       "A recorded bar is fresh until its next bar, this long at the most."),
    _p("vix_max_age_seconds", "Oldest live VIX", "liquidity", U.SECONDS, "120", "120", "1", "86400", "A-05",
       "A live VIX reading is fresh for this long. Recorded sessions use the day's open, labelled."),
    _p("max_spread", "Widest spread", "liquidity", U.FRACTION, "0.10", "0.10", "0.0001", "2", "A-05, A-13",
       "(ask - bid) / mid above this is not usable."),
    _p("max_spread_large_bet", "Widest spread, large bet", "liquidity", U.FRACTION, "0.05", "0.05", "0.0001", "2",
       "A-13",
       "The same for a large bet."),
    _p("large_bet_multiple", "Large bet multiple", "liquidity", U.MULTIPLE, "1.5", "1.5", "1", "10", "P-23",
       "A bet of at least this many minimum bets is large."),
    _p("exit_spread_ticks", "Ticks of spread exits accept", "liquidity", U.TICKS, "3", "3", "0", "100", "A-05",
       "For exits a spread of this many ticks is usable however large its share of the mid."),
    _p("volume_gate_delay_minutes", "Delay of the volume gate", "liquidity", U.MINUTES, "30", "30", "0", "390", "A-13",
       "The volume gate starts this many minutes after the open (10:00)."),
    _p("max_share_of_volume", "Share of today's volume", "liquidity", U.FRACTION, "0.05", "0.05", "0", "1", "A-13",
       "The order is at most this share of today's volume, or ..."),
    _p("displayed_size_multiple", "Multiple of displayed size", "liquidity", U.MULTIPLE, "2", "2", "0", "100", "A-13",
       "... this many times the displayed ask size, whichever allows more."),
    _p("max_share_of_open_interest", "Share of open interest", "liquidity", U.FRACTION, "0.10", "0.10", "0", "1",
       "A-13",
       "The order is at most this share of open interest."),
    _switch("waive_volume_unknown", "Waive missing volume", "liquidity", False, False, "A-13",
            "On: an option whose volume is unknown is not refused for it. The recorded demo does, labelled."),
    _switch("waive_open_interest_unknown", "Waive missing open interest", "liquidity", False, False, "A-13",
            "On: an option whose open interest is unknown is not refused for it. The recorded demo does, labelled."),
    _p("min_premium", "Lowest premium", "liquidity", U.USD_PER_SHARE, "0.50", "0.50", "0", "1000", "A-12",
       "No entry in options cheaper than this."),
    _p("min_premium_index", "Lowest premium, SPX-sized", "liquidity", U.USD_PER_SHARE, "2.00", "2.00", "0", "1000",
       "A-12",
       "The same for SPX-sized classes."),
    _p("stop_room_ticks", "Room above the stop, ticks", "liquidity", U.TICKS, "2", "2", "0", "100", "A-12",
       "The bid must stand at least this many ticks above the stop at entry, and ..."),
    _p("stop_room_fraction", "Room above the stop, share of the ask", "liquidity", U.FRACTION, "0.12", "0.08", "0", "1",
       "A-12",
       "... at least this share of the ask."),
    _p("fee_per_contract", "Commission", "liquidity", U.USD_PER_CONTRACT, "0.65", "0.65", "0", "100", "SPEC 9",
       "Per contract and side."),
)
_EXITS = (
    _p("stop_fraction", "Stop", "exits", U.FRACTION, "0.25", "0.20", "0.01", "0.99", "P-09, P-10, SPEC 74",
       "The initial stop lies this share of the entry premium under it (7DTE: at the most)."),
    _p("stop_account_risk", "Stop's share of the account", "exits", U.FRACTION, "0.10", "0.10", "0.001", "1", "P-10",
       "7DTE: a stop never costs more than this share of equity, so larger bets get tighter stops."),
    _p("stop_confirmations", "Quotes that confirm a stop", "exits", U.COUNT, "2", "2", "1", "10", "A-03",
       "A stop fires on this many distinct quotes at or under it, or on one deep under it."),
    _p("stop_deep_fraction", "Deep breach of the stop", "exits", U.FRACTION, "0.90", "0.90", "0.01", "1", "A-03",
       "One quote at or under this share of the stop fires it at once."),
    _p("stop_blind_seconds", "Blind stop", "exits", U.SECONDS, "10", "10", "1", "600", "A-05",
       "After this long without a usable quote the mid at or under the stop fires it."),
    _p("reentry_cooldown_minutes", "Pause after a stop", "exits", U.MINUTES, "15", "15", "0", "390", "P-09",
       "No entry in that symbol for this long after a stop."),
    _p("forced_close_minutes", "Forced close", "exits", U.MINUTES, "15", "15", "1", "390", "P-09, A-17",
       "Positions that expire today are closed this long before the session's close."),
)
_OVERNIGHT = (
    _p("overnight_report_minutes", "Report before the close", "overnight", U.MINUTES, "30", "30", "1", "390", "P-18",
       "The overnight report is made this long before the session's close: 15:30, 12:30 on a half day."),
    _p("overnight_loss_limit", "Overnight loss alert", "overnight", U.FRACTION, "0.10", "0.10", "0.001", "1", "P-18",
       "Alert when a 5% move of the underlyings overnight would cost more than this share of equity."),
    _switch("propose_reduction", "Propose to reduce", "overnight", False, False, "P-18 (NEW)",
            "On: where that alert stands, the report says how many contracts to close. A person decides."),
)
_BREAKERS = (
    _p("risk_check_interval_seconds", "Risk check", "breakers", U.SECONDS, "30", "30", "1", "600", "SPEC 25, P-22",
       "Seconds between two risk checks."),
    _p("confirm_entries_loss", "L1: confirm entries", "breakers", U.FRACTION, "0.05", "0.05", "0.0001", "1", "P-08",
       "A day loss of this share of the basis: entries need a person's confirmation."),
    _p("max_daily_loss", "L2: daily loss limit", "breakers", U.FRACTION, "0.10", "0.10", "0.0001", "1", "SPEC 8, P-06",
       "A day loss of this share of the basis: no entries for the rest of the date."),
    _p("emergency_halt_loss", "L3: emergency halt", "breakers", U.FRACTION, "0.20", "0.20", "0.0001", "1",
       "SPEC 18, P-07",
       "A day loss of this share of the basis: halt, cancel, flatten. A trigger, not a cap on the loss."),
    _switch("halt_flattens", "The halt flattens", "breakers", True, True, "P-07",
            "On: the emergency halt closes all positions at marketable limits."),
    _p("daily_loss_alert_share", "Alert before the limit", "breakers", U.FRACTION, "0.75", "0.75", "0.01", "1", "P-06",
       "Alert at this share of a loss limit."),
    _p("breach_confirmations", "Breaches that confirm", "breakers", U.COUNT, "3", "3", "1", "100", "A-03",
       "A loss breaker trips after this many consecutive breaches on distinct usable quotes."),
    _p("breach_spacing_seconds", "Spacing of breaches", "breakers", U.SECONDS, "1", "1", "0", "60", "A-03",
       "At least this far apart."),
    _p("breach_window_seconds", "Longest confirmation", "breakers", U.SECONDS, "10", "10", "1", "600", "A-03",
       "Confirmation takes this long at the most."),
    _p("breach_immediate_multiple", "Immediate trip", "breakers", U.MULTIPLE, "1.5", "1.5", "1", "10", "A-03",
       "Beyond this many times the limit one breach trips at once."),
    _p("losing_streak", "Losing closes in a row", "breakers", U.COUNT, "3", "3", "1", "100", "P-08, A-04",
       "This many losing closes in a row pause entries."),
    _p("losing_streak_pause_minutes", "Pause after a losing streak", "breakers", U.MINUTES, "30", "30", "1", "1440",
       "P-08, A-04",
       "For this long."),
    _p("max_stopouts_per_underlying", "Stop-outs in one underlying", "breakers", U.COUNT, "2", "2", "1", "100", "A-04",
       "After this many, no entry in it for the rest of the date."),
    _p("drawdown_5_session", "5-session drawdown", "breakers", U.FRACTION, "0.15", "0.15", "0.001", "1", "A-04",
       "REDUCING until a person clears it."),
    _p("drawdown_20_session", "20-session drawdown", "breakers", U.FRACTION, "0.25", "0.25", "0.001", "1", "A-04",
       "REDUCING until a person clears it."),
    _p("max_rejected_orders", "Rejected orders a day", "breakers", U.COUNT, "10", "10", "1", "1000", "A-04",
       "This many rejected orders stop entries until a person re-enables them."),
    _p("vix_clear_minutes", "Calm before the VIX breaker clears", "breakers", U.MINUTES, "5", "5", "0", "390", "A-03",
       "The VIX breaker clears after this long under the limit."),
)

# fmt: on

PARAMETERS: Mapping[str, Parameter] = {
    p.name: p
    for p in (
        *_SIZING,
        *_FACTORS,
        *_FUNDAMENTALS,
        *_CORRELATION,
        *_SIGNALS,
        *_ENTRY,
        *_LIQUIDITY,
        *_EXITS,
        *_OVERNIGHT,
        *_BREAKERS,
    )
}


def _steps(*rows: tuple[str, str] | tuple[str, str, bool]) -> tuple[Step, ...]:
    return tuple(Step(_number(row[0]), _number(row[1]), row[2] if len(row) == 3 else True) for row in rows)


ABOVE = False  # the third member of a row: only above the threshold, not at it

# fmt: off
LADDERS: Mapping[str, Ladder] = {
    ladder.name: ladder
    for ladder in (
        Ladder("confidence_factor", "Confidence factor", "factors", U.FRACTION, U.MULTIPLE, False,
               _steps(("0", "1"), ("0.7", "1.25"), ("0.8", "1.5"), ("0.9", "2")), "SPEC 28, 62",
               "Multiplier of the minimum bet by confidence; a ceiling for Mag7-7DTE."),
        Ladder("vix_factor", "VIX factor", "factors", U.VIX_POINTS, U.MULTIPLE, False,
               _steps(("0", "1.1"), ("12", "1"), ("20", "0.9", ABOVE), ("25", "0.7", ABOVE), ("30", "0.5", ABOVE)),
               "SPEC 27",
               "0DTE multiplier by VIX."),
        Ladder("exposure_factor", "Exposure factor", "factors", U.FRACTION, U.MULTIPLE, False,
               _steps(("0", "1"), ("0.4", "0.9", ABOVE), ("0.6", "0.7", ABOVE), ("0.8", "0.5", ABOVE)), "P-03",
               "0DTE multiplier by open exposure as a share of the exposure limit."),
        Ladder("correlation_factor", "Correlation factor", "factors", U.FRACTION, U.MULTIPLE, False,
               _steps(("0", "1.2"), ("0.3", "1"), ("0.6", "0.75", ABOVE), ("0.8", "0.5", ABOVE)), "SPEC 69",
               "7DTE multiplier by the average absolute correlation with the open positions."),
        Ladder("take_profit_morning", "Take-profit, morning entry", "exits", U.FRACTION, U.FRACTION, True,
               _steps(("0.05", "0.33"), ("0.10", "0.33"), ("0.15", "0.34")), "SPEC 41",
               "0DTE entries before 11:00."),
        Ladder("take_profit_midday", "Take-profit, midday entry", "exits", U.FRACTION, U.FRACTION, True,
               _steps(("0.03", "0.33"), ("0.07", "0.33"), ("0.12", "0.34")), "SPEC 42",
               "0DTE entries from 11:00 and before 14:00."),
        Ladder("take_profit_late", "Take-profit, late entry", "exits", U.FRACTION, U.FRACTION, True,
               _steps(("0.05", "1")), "SPEC 43",
               "0DTE entries from 14:00."),
        Ladder("partial_profit", "Partial profit", "exits", U.FRACTION, U.FRACTION, True,
               _steps(("0.20", "0.25"), ("0.35", "0.25"), ("0.50", "0.25")), "SPEC 75",
               "7DTE slices; what is not promised to a slice is the runner."),
        Ladder("time_factor", "Time factor", "exits", U.HOURS, U.MULTIPLE, False,
               _steps(("0", "0.5"), ("1", "0.7"), ("2", "0.8"), ("3", "1")), "SPEC 45, section 6",
               "0DTE multiplier of the targets by hours to that day's close."),
        Ladder("elapsed_factor", "Elapsed factor", "exits", U.HOURS, U.MULTIPLE, False,
               _steps(("0", "1"), ("3", "0.9", ABOVE)), "SPEC 45, section 6",
               "0DTE multiplier of the targets by hours since entry."),
        Ladder("dte_factor", "Days-to-expiration factor", "exits", U.DAYS, U.MULTIPLE, False,
               _steps(("0", "0.4"), ("1", "0.6", ABOVE), ("2", "0.75", ABOVE), ("3", "0.9", ABOVE), ("5", "1", ABOVE)),
               "SPEC 76, section 6",
               "7DTE multiplier of the thresholds by New York calendar days to expiration."),
        Ladder("risk_reward", "Risk-reward", "exits", U.FRACTION, U.MULTIPLE, False,
               _steps(("0", "1.5"), ("0.15", "2"), ("0.30", "3")), "SPEC 74, section 6",
               "7DTE target in initial risks by the gain at the high-water mark."),
        Ladder("profit_lock", "Profit lock", "exits", U.FRACTION, U.FRACTION, False,
               _steps(("0", "0"), ("0.15", "0.25", ABOVE), ("0.30", "0.5", ABOVE)), "SPEC 74, section 6",
               "7DTE share of the gain at the high-water mark that the stop locks in."),
    )
}
# fmt: on
