"""The numbers the rules read: one field for every parameter and ladder of a profile revision, under the same name.

Each is one number for the whole book, or a column when rows run under different revisions. Units, bounds, sources and
defaults stand in `accounts.defaults`; a test equates the names. Switches are booleans; a choice is the index of the
chosen word (the first word is 0).
"""

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from riskengine.calculators.columns import BoolColumn, IntColumn, Number, Steps

Switch: TypeAlias = BoolColumn | bool
Choice: TypeAlias = IntColumn | int

RAISE, REFUSE = 0, 1  # below_minimum_policy
ABSOLUTE, RELATIVE = 0, 1  # fundamental_mode
CALIBRATED, RAW = 0, 1  # confidence_scaling
PEARSON, EWMA, LEDOIT_WOLF = 0, 1, 2  # correlation_method
BY_DELTA, BY_MONEYNESS = 0, 1  # strike_selection


@dataclass(frozen=True, eq=False, kw_only=True)
class Limits:
    """Limits of a book. Fractions are fractions (0.20), money USD, times as the name says."""

    @cached_property
    def shared(self) -> bool:
        """One revision for the whole book: no limit is a column."""
        each = vars(self).values()
        return all(limit.shared if isinstance(limit, Steps) else not isinstance(limit, np.ndarray) for limit in each)

    # How big: the account and its bets
    account_size: Number
    min_position_size: Number
    min_position_dollars: Number
    max_position_size: Number
    max_total_exposure: Number
    min_size_multiplier: Number
    max_size_multiplier: Number
    rounding_overshoot: Number
    below_minimum_policy: Choice
    max_portfolio_risk: Number
    enforce_risk_budget: Switch
    enforce_day_budget: Switch
    max_stock_allocation: Number
    min_overrides_allocation: Switch
    # What scales a bet
    vix_adjustment_factor: Number
    confidence_adjustment_factor: Number
    correlation_adjustment_factor: Number
    correlation_missing_factor: Number
    fundamental_mode: Choice
    volatility_index: Choice
    confidence_scaling: Choice
    calibration_prior_trades: Number
    proven_after_trades: Number
    confidence_factor: Steps
    vix_factor: Steps
    exposure_factor: Steps
    correlation_factor: Steps
    # Fundamental score
    neutral_score: Number
    earnings_strong_percent: Number
    earnings_strong_points: Number
    earnings_moderate_percent: Number
    earnings_moderate_points: Number
    analyst_buy_percent: Number
    analyst_sell_percent: Number
    analyst_points: Number
    pe_cheap_ratio: Number
    pe_expensive_ratio: Number
    pe_points: Number
    fundamentals_max_age_days: Number
    # Correlation
    correlation_window_sessions: Number
    correlation_min_common_sessions: Number
    correlation_max_age_sessions: Number
    max_effective_exposure: Number
    high_pair_correlation: Number
    correlation_method: Choice
    correlation_ewma_decay: Number
    # Signals: which contract, and for how long
    signal_lifetime_minutes: Number
    strike_selection: Choice
    strike_target_delta: Number
    strike_target_moneyness: Number
    # Whether: entry gates
    min_confidence_threshold: Number
    max_vix_threshold: Number
    max_correlation_risk: Number
    max_positions_per_symbol: Number
    max_total_positions: Number
    max_portfolio_delta: Number
    max_portfolio_gamma: Number
    entry_delay_minutes: Number
    last_entry_minutes: Number
    min_expiration_days: Number
    max_expiration_days: Number
    refuse_earnings_before_expiry: Switch
    refuse_ex_dividend_before_expiry: Switch
    heartbeat_max_age_seconds: Number
    decision_expires_seconds: Number
    max_opening_intents: Number
    opening_intents_window_seconds: Number
    # Liquidity and cost of entry
    quote_max_age_expiring_seconds: Number
    quote_max_age_seconds: Number
    recorded_quote_max_age_seconds: Number
    vix_max_age_seconds: Number
    max_spread: Number
    max_spread_large_bet: Number
    large_bet_multiple: Number
    exit_spread_ticks: Number
    volume_gate_delay_minutes: Number
    max_share_of_volume: Number
    displayed_size_multiple: Number
    max_share_of_open_interest: Number
    waive_volume_unknown: Switch
    waive_open_interest_unknown: Switch
    min_premium: Number
    min_premium_index: Number
    stop_room_ticks: Number
    stop_room_fraction: Number
    fee_per_contract: Number
    # When out: stops and targets
    stop_fraction: Number
    stop_account_risk: Number
    stop_confirmations: Number
    stop_deep_fraction: Number
    stop_blind_seconds: Number
    reentry_cooldown_minutes: Number
    forced_close_minutes: Number
    take_profit_morning: Steps
    take_profit_midday: Steps
    take_profit_late: Steps
    partial_profit: Steps
    time_factor: Steps
    elapsed_factor: Steps
    dte_factor: Steps
    risk_reward: Steps
    profit_lock: Steps
    # While the exchange is closed
    overnight_report_minutes: Number
    overnight_loss_limit: Number
    propose_reduction: Switch
    # When to stop: circuit breakers
    risk_check_interval_seconds: Number
    confirm_entries_loss: Number
    max_daily_loss: Number
    emergency_halt_loss: Number
    halt_flattens: Switch
    daily_loss_alert_share: Number
    breach_confirmations: Number
    breach_spacing_seconds: Number
    breach_window_seconds: Number
    breach_immediate_multiple: Number
    losing_streak: Number
    losing_streak_pause_minutes: Number
    max_stopouts_per_underlying: Number
    drawdown_5_session: Number
    drawdown_20_session: Number
    max_rejected_orders: Number
    vix_clear_minutes: Number
