"""A person's own odds, checked with sentences that say what to give instead."""

from typing import Any

from django import forms

from riskengine.forms import DecimalBetween
from riskengine.services.study.odds import MOST_BETS, MOST_OUTCOMES, Account, Asked, NotOdds, two_outcomes

TWO = ("win", "gain", "loss")


class OddsForm(forms.Form):
    """A chance with a gain and a loss per dollar bet, or up to six outcomes; the bet, and how many of them.

    Shares are fractions: 0.2 is 20%.
    """

    win = DecimalBetween("The chance of winning", "0", "1", required=False)
    gain = DecimalBetween("The gain per dollar", "0", "100", required=False)
    loss = DecimalBetween("The loss per dollar", "0", "1", required=False)
    lost_whole = DecimalBetween("The share of total losses", "0", "1", required=False)
    fraction = DecimalBetween("The bet", "0", "1", required=False)
    bets = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MOST_BETS,
        error_messages=dict.fromkeys(
            ("invalid", "min_value", "max_value"), f"Bets must be a whole number from 1 to {MOST_BETS:,}."
        ),
    )

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        for k in range(1, MOST_OUTCOMES + 1):
            self.fields[f"p{k}"] = DecimalBetween(f"Probability {k}", "0", "1", required=False)
            self.fields[f"b{k}"] = DecimalBetween(f"Payoff {k}", "-1", "100", required=False)

    @property
    def rows(self) -> list[tuple[Any, Any]]:
        return [(self[f"p{k}"], self[f"b{k}"]) for k in range(1, MOST_OUTCOMES + 1)]

    @property
    def many(self) -> bool:
        """Whether outcomes were given one by one."""
        return any(each.value() for row in self.rows for each in row)

    @property
    def problems(self) -> list[str]:
        return [sentence for found in self.errors.values() for sentence in found]

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if self.errors:
            return given
        rows = [(given.get(f"p{k}"), given.get(f"b{k}")) for k in range(1, MOST_OUTCOMES + 1)]
        told = [(p, b) for p, b in rows if p is not None or b is not None]
        if told:
            if any(p is None or b is None for p, b in told):
                raise forms.ValidationError("Each outcome needs a probability and a payoff.")
            if any(given.get(name) is not None for name in TWO):
                raise forms.ValidationError("Give a chance with a gain and a loss, or outcomes one by one, not both.")
            given["outcomes"] = tuple((float(p), float(b)) for p, b in told if p is not None and b is not None)
            return given
        missing = [name for name in TWO if given.get(name) is None]
        if missing:
            raise forms.ValidationError("Give the chance of winning, the gain and the loss per dollar bet.")
        given["outcomes"] = two_outcomes(*(float(given[name]) for name in TWO))
        return given

    def asked(self, account: Account) -> Asked:
        """As the service takes it: the bet that was given, else the smallest and the largest of the system."""
        given = self.cleaned_data
        own = given.get("fraction")
        return Asked(
            outcomes=given["outcomes"],
            fractions=(account.smallest, account.largest) if own is None else (float(own),),
            bets=given.get("bets") or 100,
            lost_whole=float(given.get("lost_whole") or 0),
            initial=account.initial,
            minimum=account.minimum or None,
        )

    def refuse(self, problem: NotOdds) -> None:
        self.add_error(None, str(problem))
