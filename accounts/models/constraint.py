"""Named check constraints with a sentence. Every one on a NUMERIC column has an upper bound: PostgreSQL orders NaN
above all numbers, so `CHECK (x > 0)` alone would let NaN in."""

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

CENTS_LIMIT = Decimal("1000000000000")  # a trillion dollars: beyond any account, below any overflow
PRICE_LIMIT = Decimal("1000000")  # dollars a share or index points


def _literal(sentence: str) -> str:
    """Django formats these messages with %, so that a percent sign must be written twice."""
    return sentence.replace("%", "%%")


def within(name: str, field: str, low: Decimal | int, high: Decimal | int, sentence: str) -> models.CheckConstraint:
    """`low <= field <= high`. A null passes."""
    return models.CheckConstraint(
        name=name,
        condition=Q(**{f"{field}__gte": low, f"{field}__lte": high}),
        violation_error_message=_literal(sentence),
    )


def ordered(name: str, low: str, high: str, sentence: str, *, strictly: bool = False) -> models.CheckConstraint:
    """`low <= high`, or `low < high`, between two columns."""
    return models.CheckConstraint(
        name=name,
        condition=Q(**{f"{low}__{'lt' if strictly else 'lte'}": F(high)}),
        violation_error_message=_literal(sentence),
    )


def one_of(name: str, field: str, choices: type[models.TextChoices], sentence: str) -> models.CheckConstraint:
    """`field` is one of the words of `choices`."""
    return models.CheckConstraint(
        name=name, condition=Q(**{f"{field}__in": choices.values}), violation_error_message=_literal(sentence)
    )
