"""Decisions, orders, positions and everything that happened to them. Services write these rows; nobody edits them."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import display

from positions import models
from positions.admin.base import ReadOnlyAdmin, ReadOnlyInline
from positions.models import Decision, OrderStatus, OutboxMessage, PositionStatus

ORDER_COLOURS = {
    OrderStatus.WORKING: "info",
    OrderStatus.FILLED: "success",
    OrderStatus.REJECTED: "danger",
    OrderStatus.UNKNOWN: "danger",
}
POSITION_COLOURS = {PositionStatus.OPEN: "info", PositionStatus.EXPIRED: "warning"}


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ["decided_at", "portfolio", "contract", "verdict", "contracts", "dollars", "confidence", "revision"]
    list_filter = ["portfolio", "approved", "intent", "refusal_code"]
    search_fields = ["contract__occ_symbol", "refusal_code", "idempotency_key", "requested_by_name"]
    date_hierarchy = "decided_at"
    ordering = ["-decided_at", "-id"]
    list_select_related = ["portfolio", "contract", "revision__profile"]
    fieldsets = [
        (None, {"fields": [("portfolio", "contract"), ("intent", "direction"), ("confidence", "revision")]}),
        (
            "Verdict",
            {
                "fields": [
                    ("approved", "refusal_code"), "refusal_sentence", ("contracts", "indicative_contracts"),
                    ("limit_price", "dollars"), ("min_size_dollars", "scale_multiplier"),
                ]
            },
        ),
        (
            "Who and when",
            {
                "fields": [
                    ("requested_by_name", "confirmed_by"), ("decided_at", "expires_at"),
                    ("idempotency_key", "engine_version"),
                ]
            },
        ),
        ("Trace", {"classes": ["tab"], "fields": ["trace", "warnings"]}),
        ("Gates", {"classes": ["tab"], "fields": ["gates"]}),
        ("Inputs", {"classes": ["tab"], "fields": ["inputs"]}),
    ]  # fmt: skip

    @display(description="verdict", ordering="approved", label={"approved": "success"})
    def verdict(self, decision: Decision) -> str:
        return "approved" if decision.approved else decision.refusal_code

    def get_queryset(self, request: HttpRequest) -> QuerySet[Decision]:
        found = super().get_queryset(request)
        on_a_list = request.resolver_match is not None and request.resolver_match.url_name.endswith("_changelist")
        return found.defer("inputs", "trace", "gates", "warnings") if on_a_list else found


class OrderEventInline(ReadOnlyInline):
    model = models.OrderEvent
    ordering = ["id"]


class FillInline(ReadOnlyInline):
    model = models.Fill
    ordering = ["id"]


@admin.register(models.Order)
class OrderAdmin(ReadOnlyAdmin):
    list_display = [
        "created_at", "portfolio", "contract", "intent", "side", "quantity", "filled_quantity", "limit_price",
        "status_label",
    ]  # fmt: skip
    list_filter = ["portfolio", "status", "intent"]
    search_fields = ["client_order_id", "broker_order_id", "contract__occ_symbol"]
    date_hierarchy = "created_at"
    ordering = ["-created_at", "-id"]
    list_select_related = ["portfolio", "contract"]
    inlines = [FillInline, OrderEventInline]

    @display(description="status", ordering="status", label=ORDER_COLOURS)
    def status_label(self, order: models.Order) -> str:
        return order.status


@admin.register(models.OrderEvent)
class OrderEventAdmin(ReadOnlyAdmin):
    list_display = ["happened_at", "order", "from_status", "to_status", "actor_name"]
    search_fields = ["order__client_order_id"]
    ordering = ["-id"]
    list_select_related = ["order__contract"]


@admin.register(models.Fill)
class FillAdmin(ReadOnlyAdmin):
    list_display = ["filled_at", "order", "quantity", "price", "fee", "execution_id"]
    search_fields = ["execution_id", "order__client_order_id"]
    date_hierarchy = "filled_at"
    ordering = ["-filled_at", "-id"]
    list_select_related = ["order__contract"]


class ExitSliceInline(ReadOnlyInline):
    model = models.ExitSlice
    fk_name = "position"
    ordering = ["number"]


class PartialProfitTakingInline(ReadOnlyInline):
    model = models.PartialProfitTaking
    ordering = ["id"]


class PositionEventInline(ReadOnlyInline):
    model = models.PositionEvent
    ordering = ["id"]


class PositionNoteInline(ReadOnlyInline):
    model = models.PositionNote
    ordering = ["id"]


class PositionTagInline(ReadOnlyInline):
    model = models.PositionTag
    ordering = ["word"]


@admin.register(models.Position)
class PositionAdmin(ReadOnlyAdmin):
    list_display = [
        "entry_at", "portfolio", "contract", "quantity_open", "quantity_opened", "entry_price", "current_stop",
        "realised_pnl", "status_label",
    ]  # fmt: skip
    list_filter = ["portfolio", "status", "origin", "regime", "tags__word"]
    search_fields = ["contract__occ_symbol"]
    date_hierarchy = "entry_at"
    ordering = ["-entry_at", "-id"]
    list_select_related = ["portfolio", "contract"]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    ("portfolio", "contract"), ("revision", "decision"), ("origin", "regime"),
                    ("status", "close_cause"), ("entry_at", "closed_at"),
                ]
            },
        ),
        ("Contracts", {"fields": [("quantity_opened", "quantity_open"), ("broker_quantity", "broker_quantity_at")]}),
        (
            "Money",
            {
                "fields": [
                    ("average_entry_price", "entry_cost"), ("exit_proceeds", "fees"), ("realised_pnl", "version"),
                    ("min_size_at_entry", "scale_multiplier"),
                ]
            },
        ),
        (
            "Stop",
            {
                "fields": [
                    ("initial_stop", "current_stop"), ("high_water", "split_factor"),
                    ("stop_breaches", "stop_breached_at"),
                ]
            },
        ),
    ]  # fmt: skip
    inlines = [
        ExitSliceInline, FillInline, PartialProfitTakingInline, PositionEventInline, PositionNoteInline,
        PositionTagInline,
    ]  # fmt: skip

    @display(description="entry price", ordering="average_entry_price")
    def entry_price(self, position: models.Position) -> str:
        return f"{position.average_entry_price.normalize():f}"

    @display(description="status", ordering="status", label=POSITION_COLOURS)
    def status_label(self, position: models.Position) -> str:
        return position.status


@admin.register(models.PositionEvent)
class PositionEventAdmin(ReadOnlyAdmin):
    list_display = ["happened_at", "position", "kind", "actor_name"]
    list_filter = ["kind"]
    ordering = ["-id"]
    list_select_related = ["position__contract"]


@admin.register(models.PositionNote)
class PositionNoteAdmin(ReadOnlyAdmin):
    list_display = ["written_at", "position", "text", "author_name"]
    search_fields = ["text", "author_name"]
    ordering = ["-id"]
    list_select_related = ["position__contract"]


@admin.register(models.PartialProfitTaking)
class PartialProfitTakingAdmin(ReadOnlyAdmin):
    list_display = ["taken_at", "position", "slice", "contracts", "price", "profit_fraction"]
    date_hierarchy = "taken_at"
    ordering = ["-taken_at", "-id"]
    list_select_related = ["position__contract", "slice"]


@admin.register(models.BrokerDifference)
class BrokerDifferenceAdmin(ReadOnlyAdmin):
    list_display = ["began_at", "portfolio", "contract", "here", "there", "ended_at"]
    list_filter = ["portfolio", ("ended_at", admin.EmptyFieldListFilter)]
    search_fields = ["contract__occ_symbol"]
    ordering = ["-id"]
    list_select_related = ["portfolio", "contract"]


@admin.register(OutboxMessage)
class OutboxMessageAdmin(ReadOnlyAdmin):
    list_display = ["created_at", "kind", "order", "priority", "attempts", "sent_at", "failed_at"]
    list_filter = ["kind", ("sent_at", admin.EmptyFieldListFilter), ("failed_at", admin.EmptyFieldListFilter)]
    search_fields = ["key"]
    ordering = ["-created_at", "-id"]
    list_select_related = ["order__contract"]
