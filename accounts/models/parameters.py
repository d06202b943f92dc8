"""The columns of a risk profile revision, one abstract base a meaning. Names, units, bounds, defaults and sources stand
in `accounts.defaults`; the columns have no default of their own because the two systems differ.

Fractions are stored as fractions (0.20), money in USD, times in the unit the name ends with.
"""

from django.db import models

from accounts.defaults import PARAMETERS


def _text(name: str) -> dict[str, str]:
    return {"verbose_name": PARAMETERS[name].label, "help_text": PARAMETERS[name].help}


def _usd(name: str) -> models.DecimalField:
    return models.DecimalField(max_digits=18, decimal_places=2, **_text(name))


def _fraction(name: str) -> models.DecimalField:
    """A share of something, to a ten-thousandth of a percent; also score points and SPY shares per dollar."""
    return models.DecimalField(max_digits=9, decimal_places=6, **_text(name))


def _number(name: str) -> models.DecimalField:
    """A multiple, a percent (66 means 66%), VIX points or a price per share."""
    return models.DecimalField(max_digits=9, decimal_places=4, **_text(name))


def _whole(name: str) -> models.PositiveIntegerField:
    """A count, or whole seconds, minutes, days, sessions or ticks."""
    return models.PositiveIntegerField(**_text(name))


def _switch(name: str) -> models.BooleanField:
    return models.BooleanField(**_text(name))


def _choice(name: str) -> models.CharField:
    return models.CharField(max_length=16, choices=[(word, word) for word in PARAMETERS[name].choices], **_text(name))


class SizingParameters(models.Model):
    """How big: the account and its bets."""

    account_size = _usd("account_size")
    min_position_size = _fraction("min_position_size")
    min_position_dollars = _usd("min_position_dollars")
    max_position_size = _fraction("max_position_size")
    max_total_exposure = _fraction("max_total_exposure")
    min_size_multiplier = _number("min_size_multiplier")
    max_size_multiplier = _number("max_size_multiplier")
    rounding_overshoot = _number("rounding_overshoot")
    below_minimum_policy = _choice("below_minimum_policy")
    max_portfolio_risk = _fraction("max_portfolio_risk")
    enforce_risk_budget = _switch("enforce_risk_budget")
    enforce_day_budget = _switch("enforce_day_budget")
    max_stock_allocation = _fraction("max_stock_allocation")
    min_overrides_allocation = _switch("min_overrides_allocation")

    class Meta:
        abstract = True


class FactorParameters(models.Model):
    """What scales a bet."""

    vix_adjustment_factor = _fraction("vix_adjustment_factor")
    confidence_adjustment_factor = _fraction("confidence_adjustment_factor")
    correlation_adjustment_factor = _fraction("correlation_adjustment_factor")
    correlation_missing_factor = _number("correlation_missing_factor")
    fundamental_mode = _choice("fundamental_mode")
    volatility_index = _choice("volatility_index")
    confidence_scaling = _choice("confidence_scaling")
    calibration_prior_trades = _whole("calibration_prior_trades")
    proven_after_trades = _whole("proven_after_trades")

    class Meta:
        abstract = True


class FundamentalParameters(models.Model):
    """The points of the fundamental score."""

    neutral_score = _fraction("neutral_score")
    earnings_strong_percent = _number("earnings_strong_percent")
    earnings_strong_points = _fraction("earnings_strong_points")
    earnings_moderate_percent = _number("earnings_moderate_percent")
    earnings_moderate_points = _fraction("earnings_moderate_points")
    analyst_buy_percent = _number("analyst_buy_percent")
    analyst_sell_percent = _number("analyst_sell_percent")
    analyst_points = _fraction("analyst_points")
    pe_cheap_ratio = _number("pe_cheap_ratio")
    pe_expensive_ratio = _number("pe_expensive_ratio")
    pe_points = _fraction("pe_points")
    fundamentals_max_age_days = _whole("fundamentals_max_age_days")

    class Meta:
        abstract = True


class CorrelationParameters(models.Model):
    """How correlation is measured, and when it alerts."""

    correlation_window_sessions = _whole("correlation_window_sessions")
    correlation_min_common_sessions = _whole("correlation_min_common_sessions")
    correlation_max_age_sessions = _whole("correlation_max_age_sessions")
    max_effective_exposure = _fraction("max_effective_exposure")
    high_pair_correlation = _fraction("high_pair_correlation")
    correlation_method = _choice("correlation_method")
    correlation_ewma_decay = _fraction("correlation_ewma_decay")

    class Meta:
        abstract = True


class SignalParameters(models.Model):
    """Which contract a signal buys, and for how long it holds."""

    signal_lifetime_minutes = _whole("signal_lifetime_minutes")
    strike_selection = _choice("strike_selection")
    strike_target_delta = _fraction("strike_target_delta")
    strike_target_moneyness = _fraction("strike_target_moneyness")

    class Meta:
        abstract = True


class EntryParameters(models.Model):
    """Whether: the entry gates."""

    min_confidence_threshold = _fraction("min_confidence_threshold")
    max_vix_threshold = _number("max_vix_threshold")
    max_correlation_risk = _fraction("max_correlation_risk")
    max_positions_per_symbol = _whole("max_positions_per_symbol")
    max_total_positions = _whole("max_total_positions")
    max_portfolio_delta = _fraction("max_portfolio_delta")
    max_portfolio_gamma = _fraction("max_portfolio_gamma")
    entry_delay_minutes = _whole("entry_delay_minutes")
    last_entry_minutes = _whole("last_entry_minutes")
    min_expiration_days = _whole("min_expiration_days")
    max_expiration_days = _whole("max_expiration_days")
    refuse_earnings_before_expiry = _switch("refuse_earnings_before_expiry")
    refuse_ex_dividend_before_expiry = _switch("refuse_ex_dividend_before_expiry")
    heartbeat_max_age_seconds = _whole("heartbeat_max_age_seconds")
    decision_expires_seconds = _whole("decision_expires_seconds")
    max_opening_intents = _whole("max_opening_intents")
    opening_intents_window_seconds = _whole("opening_intents_window_seconds")

    class Meta:
        abstract = True


class LiquidityParameters(models.Model):
    """Which quotes are usable, and what an entry may cost."""

    quote_max_age_expiring_seconds = _whole("quote_max_age_expiring_seconds")
    quote_max_age_seconds = _whole("quote_max_age_seconds")
    recorded_quote_max_age_seconds = _whole("recorded_quote_max_age_seconds")
    vix_max_age_seconds = _whole("vix_max_age_seconds")
    max_spread = _fraction("max_spread")
    max_spread_large_bet = _fraction("max_spread_large_bet")
    large_bet_multiple = _number("large_bet_multiple")
    exit_spread_ticks = _whole("exit_spread_ticks")
    volume_gate_delay_minutes = _whole("volume_gate_delay_minutes")
    max_share_of_volume = _fraction("max_share_of_volume")
    displayed_size_multiple = _number("displayed_size_multiple")
    max_share_of_open_interest = _fraction("max_share_of_open_interest")
    waive_volume_unknown = _switch("waive_volume_unknown")
    waive_open_interest_unknown = _switch("waive_open_interest_unknown")
    min_premium = _number("min_premium")
    min_premium_index = _number("min_premium_index")
    stop_room_ticks = _whole("stop_room_ticks")
    stop_room_fraction = _fraction("stop_room_fraction")
    fee_per_contract = _number("fee_per_contract")

    class Meta:
        abstract = True


class ExitParameters(models.Model):
    """When out: stops and the forced close. Targets are ladders."""

    stop_fraction = _fraction("stop_fraction")
    stop_account_risk = _fraction("stop_account_risk")
    stop_confirmations = _whole("stop_confirmations")
    stop_deep_fraction = _fraction("stop_deep_fraction")
    stop_blind_seconds = _whole("stop_blind_seconds")
    reentry_cooldown_minutes = _whole("reentry_cooldown_minutes")
    forced_close_minutes = _whole("forced_close_minutes")

    class Meta:
        abstract = True


class OvernightParameters(models.Model):
    """What is looked at before the exchange closes."""

    overnight_report_minutes = _whole("overnight_report_minutes")
    overnight_loss_limit = _fraction("overnight_loss_limit")
    propose_reduction = _switch("propose_reduction")

    class Meta:
        abstract = True


class BreakerParameters(models.Model):
    """When to stop: circuit breakers."""

    risk_check_interval_seconds = _whole("risk_check_interval_seconds")
    confirm_entries_loss = _fraction("confirm_entries_loss")
    max_daily_loss = _fraction("max_daily_loss")
    emergency_halt_loss = _fraction("emergency_halt_loss")
    halt_flattens = _switch("halt_flattens")
    daily_loss_alert_share = _fraction("daily_loss_alert_share")
    breach_confirmations = _whole("breach_confirmations")
    breach_spacing_seconds = _whole("breach_spacing_seconds")
    breach_window_seconds = _whole("breach_window_seconds")
    breach_immediate_multiple = _number("breach_immediate_multiple")
    losing_streak = _whole("losing_streak")
    losing_streak_pause_minutes = _whole("losing_streak_pause_minutes")
    max_stopouts_per_underlying = _whole("max_stopouts_per_underlying")
    drawdown_5_session = _fraction("drawdown_5_session")
    drawdown_20_session = _fraction("drawdown_20_session")
    max_rejected_orders = _whole("max_rejected_orders")
    vix_clear_minutes = _whole("vix_clear_minutes")

    class Meta:
        abstract = True
