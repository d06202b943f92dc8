"""Fields and bodies of requests: strict, so that a misspelt or mistyped number is never a default."""

from typing import Any

from rest_framework import serializers

from positions.market.symbols import parse
from positions.models import OptionContract


class StrictDecimalField(serializers.DecimalField):
    """A decimal number or string. DRF alone would read true as 1 from a form and 1e400 as a number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=None, decimal_places=None, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not isinstance(data, int | float | str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictIntegerField(serializers.IntegerField):
    """A whole number. DRF alone would read true as 1 and 3.0 as 3."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool | float):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBooleanField(serializers.BooleanField):
    """True or false. DRF alone would read "on" and 1 as true."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictSerializer(serializers.Serializer):
    """A field that is not known is an error: a misspelt one would silently be its default."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict):
            unknown = sorted(map(str, set(data) - set(self.fields)))
            if unknown:
                known = ", ".join(self.fields) or "none are taken"
                raise serializers.ValidationError(
                    {unknown[0]: [serializers.ErrorDetail(f"Not a field here: {known}.", "unknown_field")]}
                )
        return super().to_internal_value(data)


class ContractField(serializers.CharField):
    """An option contract on record by its OCC symbol."""

    def __init__(self, **kwargs: Any) -> None:
        help_text = "OCC symbol, 21-character or compact: SPXW210104P03800000."
        super().__init__(**{"max_length": 40, "help_text": help_text} | kwargs)

    def run_validation(self, data: Any = serializers.empty) -> OptionContract:
        text = super().run_validation(data)
        try:
            symbol = parse(text)
        except ValueError as problem:
            raise serializers.ValidationError(str(problem), code="not_an_occ_symbol") from problem
        contract = OptionContract.objects.filter(occ_symbol=str(symbol)).first()
        if contract is None:
            raise serializers.ValidationError(
                f"{symbol} is not among the contracts on record. Search for one with …/contracts/?q=.",
                code="unknown_contract",
            )
        return contract


# ---- Answers that are plain data ----


def number(means: str = "") -> serializers.FloatField:
    """A figure that may be not known."""
    return serializers.FloatField(allow_null=True, help_text=means)


def numbers(names: str) -> dict[str, serializers.FloatField]:
    return {name: number() for name in names.split()}


def counts(names: str) -> dict[str, serializers.IntegerField]:
    return {name: serializers.IntegerField() for name in names.split()}


def shape(title: str, doc: str, /, **fields: serializers.Field) -> type[serializers.Serializer]:
    """The serializer of an answer that is plain data, by its fields."""
    return type(title, (serializers.Serializer,), {"__doc__": doc, **fields})
