"""Instruments, market data and the dates to beware of."""

from django.contrib import admin
from unfold.admin import ModelAdmin

from positions import models
from positions.admin.base import KeptAdmin, ReadOnlyAdmin, ReadOnlyInline


@admin.register(models.Instrument)
class InstrumentAdmin(KeptAdmin):
    list_display = ["symbol", "name", "kind", "exchange", "closes_alias"]
    list_filter = ["kind"]
    search_fields = ["symbol", "name"]
    ordering = ["symbol"]
    autocomplete_fields = ["closes_alias"]


@admin.register(models.OptionContract)
class OptionContractAdmin(ReadOnlyAdmin):
    list_display = ["occ_symbol", "underlying", "expiration_on", "strike", "right", "settlement", "tick_class"]
    list_filter = ["underlying", "right", "settlement", "is_adjusted"]
    search_fields = ["occ_symbol"]
    date_hierarchy = "expiration_on"
    ordering = ["-expiration_on", "occ_symbol"]
    list_select_related = ["underlying"]


@admin.register(models.OptionQuote)
class OptionQuoteAdmin(ReadOnlyAdmin):
    list_display = ["contract", "quoted_at", "bid", "bid_size", "ask", "ask_size", "confirmed_at", "source"]
    list_filter = ["source"]
    search_fields = ["contract__occ_symbol"]
    ordering = ["-quoted_at", "contract"]
    list_select_related = ["contract"]


@admin.register(models.OptionTradeBar)
class OptionTradeBarAdmin(ReadOnlyAdmin):
    list_display = ["contract", "bar_at", "open", "high", "low", "close", "volume", "source"]
    search_fields = ["contract__occ_symbol"]
    ordering = ["-bar_at", "contract"]
    list_select_related = ["contract"]


@admin.register(models.OpenInterest)
class OpenInterestAdmin(ReadOnlyAdmin):
    list_display = ["contract", "as_of_on", "contracts", "source"]
    search_fields = ["contract__occ_symbol"]
    ordering = ["-as_of_on", "contract"]
    list_select_related = ["contract"]


@admin.register(models.UnderlyingBar)
class UnderlyingBarAdmin(ReadOnlyAdmin):
    list_display = ["instrument", "bar_at", "open", "high", "low", "close", "volume", "source"]
    list_filter = ["instrument"]
    ordering = ["-bar_at", "instrument"]
    list_select_related = ["instrument"]


@admin.register(models.DailyClose)
class DailyCloseAdmin(ReadOnlyAdmin):
    list_display = ["instrument", "session_on", "close", "adjusted_close", "volume", "source"]
    list_filter = ["instrument"]
    date_hierarchy = "session_on"
    ordering = ["-session_on", "instrument"]
    list_select_related = ["instrument"]


@admin.register(models.VixReading)
class VixReadingAdmin(ReadOnlyAdmin):
    list_display = ["index", "kind", "session_on", "read_at", "open", "close", "source"]
    list_filter = ["index", "kind"]
    date_hierarchy = "session_on"
    ordering = ["-session_on", "-read_at"]


@admin.register(models.ExchangeSession)
class ExchangeSessionAdmin(KeptAdmin):
    list_display = ["exchange", "session_on", "open_at", "close_at", "is_early", "source"]
    list_filter = ["is_early", "source"]
    date_hierarchy = "session_on"
    ordering = ["-session_on"]


class CorrelationPairInline(ReadOnlyInline):
    model = models.CorrelationPair


@admin.register(models.CorrelationRun)
class CorrelationRunAdmin(ReadOnlyAdmin):
    list_display = ["as_of_on", "window_sessions", "min_common_sessions", "computed_at"]
    ordering = ["-as_of_on"]
    inlines = [CorrelationPairInline]


@admin.register(models.Fundamental)
class FundamentalAdmin(ModelAdmin):
    list_display = ["instrument", "as_of_on", "earnings_surprise_percent", "pe_ratio", "source", "is_illustrative"]
    list_filter = ["instrument", "is_illustrative"]
    ordering = ["-as_of_on", "instrument"]
    autocomplete_fields = ["instrument"]
    list_select_related = ["instrument"]


@admin.register(models.EarningsDate)
class EarningsDateAdmin(ModelAdmin):
    list_display = ["instrument", "reports_on", "timing", "source", "is_illustrative"]
    list_filter = ["instrument", "is_illustrative"]
    date_hierarchy = "reports_on"
    ordering = ["-reports_on"]
    autocomplete_fields = ["instrument"]
    list_select_related = ["instrument"]


@admin.register(models.ExDividendDate)
class ExDividendDateAdmin(ModelAdmin):
    list_display = ["instrument", "ex_on", "amount_per_share", "source"]
    list_filter = ["instrument"]
    ordering = ["-ex_on"]
    autocomplete_fields = ["instrument"]
    list_select_related = ["instrument"]


@admin.register(models.Split)
class SplitAdmin(KeptAdmin):
    list_display = ["instrument", "effective_on", "new_shares", "old_shares", "source"]
    ordering = ["-effective_on"]
    autocomplete_fields = ["instrument"]
    list_select_related = ["instrument"]


@admin.register(models.TradingHalt)
class TradingHaltAdmin(KeptAdmin):
    list_display = ["instrument", "halted_at", "resumed_at", "reason", "source"]
    ordering = ["-halted_at"]
    autocomplete_fields = ["instrument"]
    list_select_related = ["instrument"]


@admin.register(models.Blackout)
class BlackoutAdmin(ModelAdmin):
    list_display = ["reason", "instrument", "starts_at", "ends_at"]
    search_fields = ["reason"]
    ordering = ["-starts_at"]
    autocomplete_fields = ["instrument"]
    list_select_related = ["instrument"]
