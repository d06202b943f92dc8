"""A signal as it is sent, by a program or a webhook: strict, what is misspelt is refused and nothing is guessed."""

from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from positions.api import AwareDateTimeField
from riskengine.api.field import StrictDecimalField, StrictSerializer
from riskengine.services.signals.receiving import MOST_COMPONENTS, Draft, Problem

LARGEST = 10**12  # of a component's figure: what is shown has room for it
LONGEST_SYMBOL, LONGEST_CONTRACT, LONGEST_DIRECTION = 40, 40, 20


@extend_schema_field({"oneOf": [{"type": "number"}, {"type": "string", "maxLength": 100}]})
class ComponentValueField(serializers.Field):
    """A finite number, a short text, or null for what is not known."""

    default_error_messages = {"invalid": "A number, a text of at most 100 characters, or null."}

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str):
            return serializers.CharField(max_length=100, allow_blank=True).run_validation(data)
        if isinstance(data, bool) or not isinstance(data, int | float) or not abs(data) <= LARGEST:
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        return value


class ComponentSerializer(StrictSerializer):
    """One thing that the confidence was made of: shown, never computed with."""

    name = serializers.CharField(max_length=60)
    label = serializers.CharField(max_length=100, required=False, allow_blank=True)
    value = ComponentValueField(required=False, allow_null=True, help_text="A number, a short text, or null.")
    weight = serializers.FloatField(min_value=-LARGEST, max_value=LARGEST, required=False, allow_null=True)
    unit = serializers.CharField(
        max_length=24, required=False, allow_blank=True, help_text="“-1 to 1” is drawn as a bar."
    )


class SaidSerializer(StrictSerializer):
    """What every door takes of a signal."""

    # No limit here: what is too long or empty is said by the service, with a code that every door shares.
    id = serializers.CharField(
        max_length=1_000,
        help_text="Your number of it, up to 100 characters: sent again, it is a repeat and changes nothing.",
    )
    confidence = StrictDecimalField(min_value=0, max_value=1, help_text="0 to 1; half-up to 6 places.")
    expires_at = AwareDateTimeField(
        required=False, help_text="At most 7 days after it was said. Left out: the profile's lifetime after it."
    )
    contract = serializers.CharField(
        max_length=LONGEST_CONTRACT,
        required=False,
        allow_blank=True,
        help_text="OCC symbol. Left out: picked from the listed chain.",
    )
    components = ComponentSerializer(many=True, required=False, max_length=MOST_COMPONENTS)
    note = serializers.CharField(max_length=500, required=False, allow_blank=True)


def draft_of(asked: Mapping[str, Any], *, symbol: str, direction: str, as_of: Any) -> Draft:
    return Draft(
        external_id=asked["id"],
        symbol=symbol.upper(),
        direction=direction,
        confidence=asked["confidence"],
        as_of=as_of,
        expires_at=asked.get("expires_at"),
        contract=asked.get("contract", ""),
        components=[dict(each) for each in asked.get("components", ())],
        note=asked.get("note", ""),
    )


def problems_by_field(
    problems: Sequence[Problem], *, numbered: bool, names: Mapping[str, str] | None = None
) -> dict[str, list[serializers.ErrorDetail]]:
    """By the field to mend, as nested rows are named where there were several: 3.symbol. `names`: what the sender calls
    our fields."""
    errors: dict[str, list[serializers.ErrorDetail]] = {}
    for each in problems:
        name = (names or {}).get(each.field, each.field)
        whole = each.field == "signals"  # the delivery as such, not one of its signals
        path = "non_field_errors" if whole else f"{each.place}.{name}" if numbered else name
        errors.setdefault(path, []).append(serializers.ErrorDetail(each.message, each.code))
    return errors
