"""What was decided, ordered and held, over the API: the latest first, in pages by cursor. Decimals are strings."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from django.http import Http404
from django.urls import path
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response

from positions.access import portfolio_or_404
from positions.models import Decision, ExitSlice, Fill, Order, Portfolio, Position, PositionNote
from positions.selectors import decisions
from riskengine.api.examples import deciding as examples
from riskengine.api.paging import NOT_THERE, LatestFirst
from riskengine.services.decide.entries import awaits_confirmation, opening_of

# ---- Shapes ----


class RefusalSerializer(serializers.Serializer):
    code = serializers.CharField(help_text="Stable: branch on it.")
    sentence = serializers.CharField(help_text="With the measured value and the limit.")


class OrderSerializer(serializers.ModelSerializer):
    contract = serializers.CharField(source="contract.occ_symbol", read_only=True, help_text="OCC symbol.")

    class Meta:
        model = Order
        fields = (
            "id",
            "client_order_id",
            "contract",
            "intent",
            "side",
            "status",
            "quantity",
            "filled_quantity",
            "limit_price",
            "worst_price",
            "pace",
            "decision",
            "position",
            "reject_reason",
            "created_at",
            "finished_at",
        )
        read_only_fields = fields


class DecisionSerializer(serializers.ModelSerializer):
    contract = serializers.CharField(source="contract.occ_symbol", read_only=True, help_text="OCC symbol.")
    refusal = serializers.SerializerMethodField(help_text="Null when approved.")

    class Meta:
        model = Decision
        fields: tuple[str, ...] = (
            "id",
            "contract",
            "direction",
            "confidence",
            "approved",
            "refusal",
            "contracts",
            "dollars",
            "limit_price",
            "indicative_contracts",
            "min_size_dollars",
            "scale_multiplier",
            "requested_by_name",
            "decided_at",
            "expires_at",
        )
        read_only_fields = fields

    @extend_schema_field(RefusalSerializer(allow_null=True))
    def get_refusal(self, decision: Decision) -> dict[str, str] | None:
        if decision.approved:
            return None
        return {"code": decision.refusal_code, "sentence": decision.refusal_sentence}


class DecisionDetailSerializer(DecisionSerializer):
    """With all that it was made from, as it was stored."""

    revision = serializers.IntegerField(source="revision.number", read_only=True, help_text="Of the parameters.")

    class Meta(DecisionSerializer.Meta):
        fields = (
            *DecisionSerializer.Meta.fields,
            "idempotency_key",
            "revision",
            "engine_version",
            "gates",
            "trace",
            "inputs",
            "warnings",
        )
        read_only_fields = fields


class AuthorisedSerializer(DecisionDetailSerializer):
    """A decision with its order."""

    order = serializers.SerializerMethodField(help_text="Null where it was refused, or waits.")
    waits_for_confirmation = serializers.SerializerMethodField(help_text="Approved, and not placed until confirmed.")

    class Meta(DecisionDetailSerializer.Meta):
        fields = (*DecisionDetailSerializer.Meta.fields, "order", "waits_for_confirmation")
        read_only_fields = fields

    def to_representation(self, decision: Decision) -> dict[str, Any]:
        self.opening = opening_of(decision)
        return super().to_representation(decision)

    @extend_schema_field(OrderSerializer(allow_null=True))
    def get_order(self, decision: Decision) -> Any:
        return None if self.opening is None else OrderSerializer(self.opening).data

    def get_waits_for_confirmation(self, decision: Decision) -> bool:
        return awaits_confirmation(decision, self.opening, timezone.now())


class SliceSerializer(serializers.ModelSerializer):
    class Meta:
        model = ExitSlice
        fields = (
            "number",
            "threshold",
            "cumulative_share_ten_thousandths",
            "state",
            "contracts_pending",
            "contracts_filled",
            "changed_at",
        )
        read_only_fields = fields


class PositionSerializer(serializers.ModelSerializer):
    contract = serializers.CharField(source="contract.occ_symbol", read_only=True, help_text="OCC symbol.")
    slices = SliceSerializer(many=True, read_only=True, help_text="Planned partial exits, the nearest first.")
    tags = serializers.SerializerMethodField(help_text="Words it is found by.")

    class Meta:
        model = Position
        fields: tuple[str, ...] = (
            "id",
            "contract",
            "decision",
            "origin",
            "status",
            "regime",
            "quantity_opened",
            "quantity_open",
            "average_entry_price",
            "entry_cost",
            "exit_proceeds",
            "fees",
            "realised_pnl",
            "initial_stop",
            "current_stop",
            "high_water",
            "entry_at",
            "closed_at",
            "close_cause",
            "version",
            "slices",
            "tags",
        )
        read_only_fields = fields

    def get_tags(self, position: Position) -> list[str]:
        return sorted(each.word for each in position.tags.all())


class NoteSerializer(serializers.ModelSerializer):
    class Meta:
        model = PositionNote
        fields = ("id", "text", "author_name", "written_at")
        read_only_fields = fields


class PositionDetailSerializer(PositionSerializer):
    notes = serializers.SerializerMethodField(help_text="What people wrote about it, the latest first.")

    class Meta(PositionSerializer.Meta):
        fields = (*PositionSerializer.Meta.fields, "notes")
        read_only_fields = fields

    @extend_schema_field(NoteSerializer(many=True))
    def get_notes(self, position: Position) -> Any:
        return NoteSerializer(position.notes.order_by("-id"), many=True).data


class FillSerializer(serializers.ModelSerializer):
    contract = serializers.CharField(source="order.contract.occ_symbol", read_only=True, help_text="OCC symbol.")
    side = serializers.CharField(source="order.side", read_only=True, help_text="buy or sell.")
    intent = serializers.CharField(source="order.intent", read_only=True, help_text="Why it was ordered.")
    order = serializers.IntegerField(
        source="order.parent_id", read_only=True, help_text="The intent it was filled under: an id of orders/."
    )

    class Meta:
        model = Fill
        fields = (
            "id",
            "execution_id",
            "contract",
            "side",
            "intent",
            "order",
            "position",
            "quantity",
            "price",
            "fee",
            "quote_bid",
            "quote_ask",
            "filled_at",
        )
        read_only_fields = fields


# ---- Lists ----


def shown(name: str, value: dict[str, Any], *statuses: str) -> OpenApiExample:
    """An example of an answer; 200 when no status is named."""
    return OpenApiExample(name, value=value, response_only=True, status_codes=statuses or ["200"])


class _OfPortfolio(generics.ListAPIView):
    pagination_class = LatestFirst

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):  # the schema asks for the model without a portfolio
            return self.queryset
        return self.rows(portfolio_or_404(self.request.user, self.kwargs["slug"]))

    def rows(self, portfolio: Portfolio) -> QuerySet[Any]:
        raise NotImplementedError


@extend_schema(
    responses={200: DecisionSerializer(many=True), **NOT_THERE},
    examples=[shown("Approved", examples.DECISION), shown("Refused", examples.DECISION_REFUSED)],
)
class Decisions(_OfPortfolio):
    """Every entry that was asked for, approved or refused, the latest first."""

    serializer_class = DecisionSerializer
    queryset = Decision.objects.none()
    filterset_fields = ("approved", "refusal_code")

    def rows(self, portfolio: Portfolio) -> QuerySet[Decision]:
        return decisions(portfolio)


@extend_schema(
    responses={200: OrderSerializer(many=True), **NOT_THERE},
    examples=[shown("A filled opening", examples.ORDER)],
)
class Orders(_OfPortfolio):
    """Orders by intent, the latest first: what was to be bought or sold, not each price that was sent for it."""

    serializer_class = OrderSerializer
    queryset = Order.objects.none()
    filterset_fields = ("status", "intent", "position", "decision")

    def rows(self, portfolio: Portfolio) -> QuerySet[Order]:
        return Order.objects.filter(portfolio=portfolio, parent__isnull=True).select_related("contract")


class PositionFilter(filters.FilterSet):
    tag = filters.CharFilter("tags__word", label="A tag that it has.")

    class Meta:
        model = Position
        fields = ("status",)


@extend_schema(
    responses={200: PositionSerializer(many=True), **NOT_THERE},
    examples=[shown("One third sold", examples.POSITION)],
)
class Positions(_OfPortfolio):
    """Positions with their slices and tags, the latest first. `status=open` for those with contracts left, `tag=` for
    those with that tag."""

    serializer_class = PositionSerializer
    queryset = Position.objects.none()
    filterset_class = PositionFilter

    def rows(self, portfolio: Portfolio) -> QuerySet[Position]:
        slices = Prefetch("slices", ExitSlice.objects.order_by("number"))
        found = Position.objects.filter(portfolio=portfolio).select_related("contract")
        return found.prefetch_related(slices, "tags")


class FillFilter(filters.FilterSet):
    order = filters.NumberFilter("order__parent", label="The intent it was filled under.")

    class Meta:
        model = Fill
        fields = ("position", "order")


@extend_schema(
    responses={200: FillSerializer(many=True), **NOT_THERE},
    examples=[shown("Bought", examples.FILL)],
)
class Fills(_OfPortfolio):
    """Every execution, booked once, the latest first: price, fee, and the quote it was made against."""

    serializer_class = FillSerializer
    queryset = Fill.objects.none()
    filterset_class = FillFilter

    def rows(self, portfolio: Portfolio) -> QuerySet[Fill]:
        return Fill.objects.filter(position__portfolio=portfolio).select_related("order__contract")


class DecisionDetail(generics.GenericAPIView):
    """One decision with every gate, the trace, its inputs and its order: what it was made from, as it was stored."""

    serializer_class = AuthorisedSerializer

    @extend_schema(
        operation_id="decision_retrieve",
        responses={200: AuthorisedSerializer, **NOT_THERE},
        examples=[shown("Refused by a gate (shortened)", examples.ENTRY_REFUSED)],
    )
    def get(self, request: Request, slug: str, decision_id: int) -> Response:
        decision = decision_or_404(portfolio_or_404(request.user, slug), decision_id)
        return Response(AuthorisedSerializer(decision).data)


class PositionDetail(generics.GenericAPIView):
    """One position with its slices, tags and notes."""

    serializer_class = PositionDetailSerializer

    @extend_schema(
        operation_id="position_retrieve",
        responses={200: PositionDetailSerializer, **NOT_THERE},
        examples=[shown("One third sold", examples.POSITION_DETAIL)],
    )
    def get(self, request: Request, slug: str, position_id: int) -> Response:
        position = position_or_404(portfolio_or_404(request.user, slug), position_id)
        return Response(PositionDetailSerializer(position).data)


def decision_or_404(portfolio: Portfolio, decision_id: int) -> Decision:
    found = (
        portfolio.decisions.select_related("contract", "revision", "portfolio__clock").filter(pk=decision_id).first()
    )
    if found is None:
        raise Http404("There is no such decision, or it is not yours.")
    return found


def position_or_404(portfolio: Portfolio, position_id: int) -> Position:
    slices = Prefetch("slices", ExitSlice.objects.order_by("number"))
    found = portfolio.positions.select_related("contract").prefetch_related(slices).filter(pk=position_id).first()
    if found is None:
        raise Http404("There is no such position, or it is not yours.")
    return found


urlpatterns = [
    path("portfolios/<slug:slug>/decisions/", Decisions.as_view(), name="api-decisions"),
    path("portfolios/<slug:slug>/decisions/<int:decision_id>/", DecisionDetail.as_view(), name="api-decision"),
    path("portfolios/<slug:slug>/orders/", Orders.as_view(), name="api-orders"),
    path("portfolios/<slug:slug>/fills/", Fills.as_view(), name="api-fills"),
    path("portfolios/<slug:slug>/positions/", Positions.as_view(), name="api-positions"),
    path("portfolios/<slug:slug>/positions/<int:position_id>/", PositionDetail.as_view(), name="api-position"),
]
