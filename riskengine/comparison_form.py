"""What a person enters to compare two revisions on recorded days."""

import json
from collections.abc import Sequence
from typing import Any

from django import forms

from accounts.models import RiskProfileRevision, System
from positions.market.calendar import new_york
from positions.models import Portfolio
from riskengine.models import AskedBy
from riskengine.services.study.asking import LARGEST_ENTRIES
from riskengine.services.study.comparisons import ComparisonAsked
from riskengine.services.study.period import MOST_DAYS, SIGNALS_EXAMPLE, example_entries
from riskengine.services.study.recordings import RECORDED

LONGEST_CHANGES = 5_000
REASON_SHOWN = 60
FIRST_DAYS = {System.SMART_0DTE: "2021-01-04", System.MAG7_7DTE: "2015-12-24"}


class ComparisonForm(forms.Form):
    """Days, two revisions with what is changed on top of each, and what is asked on those days."""

    days = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, error_messages={"required": f"Choose 1 to {MOST_DAYS} recorded days."}
    )
    revision_a = forms.TypedChoiceField(coerce=int)
    revision_b = forms.TypedChoiceField(coerce=int)
    changes_a = forms.CharField(required=False, max_length=LONGEST_CHANGES, widget=forms.Textarea(attrs={"rows": 2}))
    changes_b = forms.CharField(required=False, max_length=LONGEST_CHANGES, widget=forms.Textarea(attrs={"rows": 2}))
    asked_by = forms.ChoiceField(choices=AskedBy.choices, widget=forms.RadioSelect)
    entries = forms.CharField(
        required=False, max_length=LARGEST_ENTRIES, strip=False, widget=forms.Textarea(attrs={"rows": 5})
    )
    signals = forms.CharField(
        required=False, max_length=LARGEST_ENTRIES, strip=False, widget=forms.Textarea(attrs={"rows": 3})
    )
    waive = forms.BooleanField(required=False)
    cash = forms.DecimalField(
        required=False,
        max_digits=14,
        decimal_places=2,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        error_messages=dict.fromkeys(
            ("invalid", "max_digits", "max_decimal_places", "max_whole_digits"),
            "Give the cash in USD with at most two decimals, or leave it empty.",
        ),
    )

    def __init__(
        self, *given: Any, portfolio: Portfolio, revisions: Sequence[RiskProfileRevision], **options: Any
    ) -> None:
        first = FIRST_DAYS[System(portfolio.system)]
        newest = revisions[0].number
        initial = {
            "days": [first],
            "revision_a": newest,
            "revision_b": revisions[1].number if len(revisions) > 1 else newest,
            "asked_by": str(AskedBy.EXAMPLES),
            "entries": example_entries([day for day in RECORDED if str(day) == first]),
            "signals": SIGNALS_EXAMPLE,
        }
        super().__init__(*given, initial=initial, **options)
        for name in ("revision_a", "revision_b"):
            self.fields[name].choices = [(each.number, _label(each, newest)) for each in revisions]
        groups: dict[str, list[tuple[str, str]]] = {}
        for day, recorded in RECORDED.items():
            groups.setdefault(recorded.options, []).append((str(day), f"{day:%a} {day}"))
        self.fields["days"].choices = [(f"{options} options", days) for options, days in groups.items()]
        for name, field in self.fields.items():
            if self.errors.get(name) and not isinstance(field.widget, forms.CheckboxSelectMultiple):
                field.widget.attrs["aria-invalid"] = "true"

    def clean_changes_a(self) -> dict[str, Any]:
        return _changes(self.cleaned_data["changes_a"])

    def clean_changes_b(self) -> dict[str, Any]:
        return _changes(self.cleaned_data["changes_b"])

    def asked(self) -> ComparisonAsked:
        given = dict(self.cleaned_data)
        waived, chosen = given.pop("waive"), given.pop("days")
        days = [day for day in RECORDED if str(day) in chosen]
        return ComparisonAsked(days=days, gates=not waived, **given)


def _label(revision: RiskProfileRevision, newest: int) -> str:
    """ "4, 2026-03-02, in force: Fewer bets." """
    reason = revision.reason if len(revision.reason) <= REASON_SHOWN else f"{revision.reason[:REASON_SHOWN]}…"
    in_force = ", in force" if revision.number == newest else ""
    return (
        f"{revision.number}, {new_york(revision.in_force_from):%Y-%m-%d}{in_force}: {reason or 'no reason was given'}"
    )


def _changes(text: str) -> dict[str, Any]:
    """Lines `name = value` with numbers, true, false, words, or a ladder as rows; digits stay as they are written."""
    found: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, is_said, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not (name and is_said and value):
            raise forms.ValidationError(f"Line {number} is {line[:60]!r}: write a name, =, and the value.")
        if name in found:
            raise forms.ValidationError(f"Line {number}: {name[:60]} stands there twice.")
        try:
            found[name] = json.loads(value, parse_float=str, parse_int=str)
        except (ValueError, RecursionError):
            found[name] = value
    return found
