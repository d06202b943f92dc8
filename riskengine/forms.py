"""What a person enters on the pages, checked with sentences that say what to give instead."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from accounts.models import RiskProfileRevision
from positions.market import symbols
from positions.models import OptionContract, Portfolio
from riskengine.models import Review, ReviewDecision
from riskengine.services.watch.kill import DEFAULT, Verb

SEARCH_LENGTH = 40
ANSWER = "answer_"  # before the code of a review's question
SWITCHES = {"true": True, "false": False, "yes": True, "no": False}
CONFIDENCE_AT_FIRST = Decimal("0.70")


class ContractField(forms.CharField):
    """A listed option by its OCC symbol, padded or not."""

    def clean(self, value: str | None) -> OptionContract | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            symbol = str(symbols.parse(text))
        except ValueError as problem:
            raise forms.ValidationError(str(problem)) from None
        contract = OptionContract.objects.select_related("underlying").filter(occ_symbol=symbol).first()
        if contract is None:
            raise forms.ValidationError(
                f"{symbol} is not among the contracts this product knows. Choose one from the chain."
            )
        return contract


class DecimalBetween(forms.DecimalField):
    """A number within inclusive bounds, to six decimals; whatever else was entered gets one sentence."""

    def __init__(self, name: str, low: str, high: str, **options: object) -> None:
        self.sentence = f"{name} must be a number from {low} to {high}"
        super().__init__(min_value=Decimal(low), max_value=Decimal(high), decimal_places=6, max_digits=12, **options)

    def clean(self, value: str | None) -> Decimal | None:
        try:
            return super().clean(value)
        except forms.ValidationError as problem:
            entered = f"; you entered {str(value)[:SEARCH_LENGTH]}" if value not in (None, "") else ""
            too_long = {each.code for each in problem.error_list} <= {"max_decimal_places", "max_digits"}
            decimals = f" with at most {self.decimal_places} decimals" if too_long else ""
            raise forms.ValidationError(f"{self.sentence}{decimals}{entered}.") from None


class SizeForm(forms.Form):
    """The bet: a contract, a confidence and, if the person has them, their own odds for Kelly's fraction."""

    contract = ContractField(required=False, max_length=32)
    confidence = DecimalBetween("Confidence", "0", "1")
    win_probability = DecimalBetween("Chance of winning", "0", "1", required=False)
    payoff = DecimalBetween("Payoff", "0.01", "100", required=False)
    signal = forms.IntegerField(required=False, min_value=1, max_value=2**62)


class ChainForm(forms.Form):
    """What of the chain is shown. Anything unusable shows the whole chain."""

    q = forms.CharField(required=False, max_length=SEARCH_LENGTH)
    expiration = forms.DateField(required=False, input_formats=["%Y-%m-%d"])

    def query(self) -> str:
        self.is_valid()
        return self.cleaned_data.get("q") or ""

    def day(self) -> date | None:
        self.is_valid()
        return self.cleaned_data.get("expiration")


class MarketTimeForm(forms.Form):
    """A minute of the recorded day, New York."""

    at = forms.TimeField(input_formats=["%H:%M", "%H:%M:%S"])


class PlaceForm(forms.Form):
    """The bet as the button named it. `key` was made with the button: pressed twice it is one entry."""

    contract = ContractField(max_length=32)
    confidence = DecimalBetween("Confidence", "0", "1")
    contracts = forms.IntegerField(
        min_value=1,
        max_value=1_000_000,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value"), "Say how many contracts: a whole number of at least 1."
        )
        | {"max_value": "One order takes at most 1,000,000 contracts, and the ticket says how many this bet may be."},
    )
    pace = forms.ChoiceField(choices=[("normal", "normal"), ("fast", "fast"), ("patient", "patient")])
    key = forms.CharField(min_length=8, max_length=64)
    propose = forms.BooleanField(required=False)
    signal = forms.IntegerField(required=False, min_value=1, max_value=2**62)


class ReasonForm(forms.Form):
    """Why, kept with the person's name."""

    reason = forms.CharField(
        max_length=1_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why: the reason is kept with your name."},
    )


class PartForm(forms.Form):
    """How many contracts of a position; `parts` is how many parts had been ordered when the page was drawn."""

    contracts = forms.IntegerField(
        min_value=1,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value"), "Say how many contracts: a whole number of at least 1."
        ),
    )
    parts = forms.IntegerField(min_value=0, widget=forms.HiddenInput)

    def __init__(self, *given: Any, most: int | None = None, **options: Any) -> None:
        super().__init__(*given, **options)
        self.most = most
        if most is not None:
            self.fields["contracts"].widget.attrs |= {"min": 1, "max": most, "autofocus": True}

    def clean_contracts(self) -> int:
        contracts = self.cleaned_data["contracts"]
        if self.most is not None and contracts > self.most:
            raise forms.ValidationError(f"So many are not free to be sold: choose a number from 1 to {self.most:,}.")
        return contracts


class TightenForm(ReasonForm):
    """A higher stop, and why."""

    stop = forms.DecimalField(
        min_value=Decimal("0.0001"),
        max_digits=12,
        decimal_places=4,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_digits", "max_decimal_places", "max_whole_digits"),
            "Give the stop as a price above 0 with at most four decimals, USD a share.",
        ),
    )


class KillForm(ReasonForm):
    """What is stopped, how, and why. `confirm` must be typed: the name of the one portfolio, or ALL for several."""

    ALL = "ALL"
    VERBS = (
        (Verb.STOP_ENTRIES.value, "Stop entries: nothing is opened, exits go on"),
        (Verb.CANCEL_OPENINGS.value, "Cancel openings: what would still buy is taken back"),
        (Verb.FLATTEN.value, "Flatten: sell every position at what is bid, then halt"),
    )

    portfolios = forms.MultipleChoiceField(
        widget=forms.CheckboxSelectMultiple, error_messages={"required": "Say which portfolios."}
    )
    verbs = forms.MultipleChoiceField(
        choices=VERBS,
        initial=[each.value for each in DEFAULT],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Say what is to be done."},
    )
    confirm = forms.CharField(max_length=200, required=False, widget=forms.TextInput(attrs={"autocomplete": "off"}))

    def __init__(self, *given: Any, portfolios: Sequence[Portfolio], **options: Any) -> None:
        super().__init__(*given, **options)
        self._by_slug = {each.slug: each for each in portfolios}
        field = self.fields["portfolios"]
        field.choices = [(each.slug, each.name) for each in portfolios]
        if len(portfolios) == 1:
            field.initial = list(self._by_slug)

    def clean_portfolios(self) -> list[Portfolio]:
        return [self._by_slug[slug] for slug in self.cleaned_data["portfolios"]]

    def clean(self) -> dict[str, Any] | None:
        asked = super().clean()
        chosen = self.cleaned_data.get("portfolios")
        if chosen:
            wanted = chosen[0].name if len(chosen) == 1 else self.ALL
            if self.cleaned_data.get("confirm", "").strip().casefold() != wanted.casefold():
                self.add_error("confirm", f"Type {wanted} to confirm. Nothing was done yet.")
        return asked


class TierForm(ReasonForm):
    """Which confidence tier may scale again, and why."""

    tier = DecimalBetween("The tier", "0", "1")


class PerformanceForm(forms.Form):
    """Which part of a record is shown. All of it can be left out; dates are New York and go before the period."""

    PERIODS = (("all", "all"), ("week", "this week"), ("month", "this month"), ("quarter", "this quarter"))

    period = forms.ChoiceField(required=False, choices=PERIODS)
    since = forms.DateField(required=False)
    until = forms.DateField(required=False)
    tier = DecimalBetween("The tier", "-1", "1", required=False)
    underlying = forms.CharField(required=False, max_length=16)
    bucket = DecimalBetween("The step of confidence", "-1", "1", required=False)

    WANTED: Mapping[str, str] = {
        "period": "The period is week, month, quarter or all",
        "since": "From is a date such as 2021-01-04",
        "until": "To is a date such as 2021-03-31",
        "underlying": "An underlying is a symbol such as SPX",
    }

    @property
    def problems(self) -> list[str]:
        """What could not be read, one sentence each; and dates between which no day lies."""
        found = [
            f"{self.WANTED[name]}; it is left out." if name in self.WANTED else " ".join(said)
            for name, said in self.errors.items()
        ]
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and since > until:
            found.append(f"From {since} is after To {until}: no day lies between them.")
        return found


class DecideForm(forms.Form):
    """An answer to each of the review's questions, the decision, why, and the revision that a change led to."""

    decision = forms.ChoiceField(
        choices=ReviewDecision.choices,
        widget=forms.RadioSelect,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Decide: keep, change or halt."),
    )
    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why: the reason is kept with your name."},
    )
    revision = forms.TypedChoiceField(required=False, coerce=int, empty_value=None)

    def __init__(
        self, *given: Any, review: Review, revisions: Sequence[RiskProfileRevision] = (), **options: Any
    ) -> None:
        super().__init__(*given, **options)
        self.codes = [each["code"] for each in review.questions]
        for each in review.questions:
            self.fields[self.name_of(each["code"])] = forms.CharField(
                label=each["text"],
                widget=forms.Textarea(attrs={"rows": 3}),
                error_messages={"required": "Answer it: what is not answered cannot be decided on."},
            )
        self.fields["revision"].choices = [
            ("", "to follow: I name it later"),
            *((each.number, f"revision {each.number}: {each.reason[:80]}") for each in revisions),
        ]

    @staticmethod
    def name_of(code: str) -> str:
        return f"{ANSWER}{code}"

    def asked(self) -> dict[str, Any]:
        """As the service takes it. A revision is of a change alone, whatever was chosen before."""
        given = self.cleaned_data
        change = given["decision"] == ReviewDecision.CHANGE
        return {
            "answers": {code: given[self.name_of(code)] for code in self.codes},
            "decision": given["decision"],
            "reason": given["reason"],
            "revision": given.get("revision") if change else None,
        }

    def refuse(self, problem: ValidationError) -> None:
        """What the service says, beside the field that it is about."""
        for name, sentences in problem.message_dict.items():
            field = self.name_of(name) if name in self.codes else name if name in self.fields else None
            for sentence in sentences:
                self.add_error(field, sentence)


class LadderForm(forms.Form):
    """A take-profit ladder to try: which one, and up to eight rows of threshold and share in percent, from the nearest.
    Without any row the ladder in force is walked alone."""

    ROWS = range(1, 9)

    ladder = forms.ChoiceField(required=False)
    suggest = forms.BooleanField(required=False)

    def __init__(self, *given: Any, ladders: Sequence[tuple[str, str]], **options: Any) -> None:
        super().__init__(*given, **options)
        self.ladders = list(ladders)
        field = self.fields["ladder"]
        field.choices, field.error_messages["invalid_choice"] = self.ladders, "This account has no such ladder."
        for row in self.ROWS:
            self.fields[f"t{row}"] = DecimalBetween(
                f"The gain of tier {row}, in percent,", "0", "10000", required=False
            )
            self.fields[f"s{row}"] = DecimalBetween(f"Share of tier {row}, in percent,", "0", "100", required=False)

    def clean(self) -> dict[str, Any] | None:
        for row in self.ROWS:
            pair = [self.cleaned_data.get(f"{name}{row}") for name in "ts"]
            if f"t{row}" not in self.errors and f"s{row}" not in self.errors and (pair[0] is None) != (pair[1] is None):
                self.add_error(f"t{row}", f"Tier {row} needs both a gain and a share, or neither.")
        return super().clean()

    @property
    def name(self) -> str:
        """The ladder asked for; the first where none was."""
        return self.cleaned_data.get("ladder") or self.ladders[0][0]

    @property
    def rows(self) -> list[tuple[Decimal, Decimal]]:
        """Threshold and share as fractions."""
        pairs = [(self.cleaned_data.get(f"t{row}"), self.cleaned_data.get(f"s{row}")) for row in self.ROWS]
        return [(t / 100, s / 100) for t, s in pairs if t is not None and s is not None]

    @property
    def problems(self) -> list[str]:
        return [sentence for found in self.errors.values() for sentence in found]


class LadderRevisionForm(ReasonForm):
    """Why a ladder is put in force, and the revision that its person saw."""

    based_on = forms.IntegerField(min_value=1, max_value=2**31 - 1, widget=forms.HiddenInput)


class StepForm(forms.Form):
    """A signature under a change of mode: what the person saw, where to, the account's name as typed, and why."""

    from_mode = forms.CharField(max_length=12)
    to_mode = forms.CharField(max_length=12)
    name = forms.CharField(max_length=200, error_messages={"required": "Type the account's name to sign."})
    reason = forms.CharField(
        max_length=1000, error_messages={"required": "Say why: the reason is kept with your name."}
    )


class ShadowForm(forms.Form):
    """Numbers and ladders to try out beside those in force: one a line, `name = value`, a ladder by its rows."""

    changes = forms.CharField(max_length=4000, error_messages={"required": "Give at least one number."})
    reason = forms.CharField(max_length=1000, error_messages={"required": "Say what is being tried out."})

    def clean_changes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for line in self.cleaned_data["changes"].splitlines():
            if not line.strip():
                continue
            name, equals, value = (part.strip() for part in line.partition("="))
            if not equals or not name or not value:
                raise forms.ValidationError(f"“{line.strip()}” is not of the form: name = value.")
            if name in found:
                raise forms.ValidationError(f"{name} stands there twice: say once what it is.")
            found[name] = self._rows(value) if value.startswith("[") else SWITCHES.get(value.lower(), value)
        return found

    def _rows(self, value: str) -> Any:
        try:
            return json.loads(value, parse_float=str, parse_int=str)
        except (ValueError, RecursionError):
            raise forms.ValidationError(f"{value[:80]}: a ladder is its rows, [[threshold, value], …].") from None


class EndShadowForm(forms.Form):
    """Which numbers the person saw being tried out, and whether they come into force. The product may say why."""

    shadow = forms.IntegerField(min_value=1, max_value=2**63 - 1)
    force = forms.BooleanField(required=False)
    reason = forms.CharField(max_length=1000, required=False)


class RollbackForm(forms.Form):
    """Which earlier revision is put in force again, and which one the person saw in force."""

    number = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    based_on = forms.IntegerField(min_value=1, max_value=2**31 - 1)
    reason = forms.CharField(
        max_length=1000, error_messages={"required": "Say why: the reason is kept with your name."}
    )
