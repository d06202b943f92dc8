"""Where the broker's holdings and the books are not the same."""

from django.db import models
from django.db.models import F, Q

from positions.models.instrument import OptionContract
from positions.models.portfolio import Portfolio


class BrokerDifference(models.Model):
    """The broker holds another number of contracts of an option than is open here: from when it was first seen with
    these numbers until it was over. Wall times."""

    portfolio = models.ForeignKey(Portfolio, on_delete=models.PROTECT, related_name="broker_differences")
    contract = models.ForeignKey(OptionContract, on_delete=models.PROTECT, related_name="+")
    here = models.PositiveIntegerField("contracts open here")
    there = models.IntegerField("contracts at the broker")
    began_at = models.DateTimeField("first seen at (wall time)")
    ended_at = models.DateTimeField("over at (wall time)", null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="brokerdifference_one_a_contract",
                fields=["portfolio", "contract"],
                condition=Q(ended_at__isnull=True),
                violation_error_message="A contract has one difference at a time.",
            ),
            models.CheckConstraint(
                name="brokerdifference_is_one",
                condition=~Q(here=F("there")),
                violation_error_message="The same number is no difference.",
            ),
            models.CheckConstraint(
                name="brokerdifference_ends_after_it_began",
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("began_at")),
                violation_error_message="A difference ends after it began.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.contract}: {self.there} at the broker, {self.here} here"
