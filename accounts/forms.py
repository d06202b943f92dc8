"""The forms for parameters: a profile as one thing, the restoring of a revision, a new profile, a new token."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminIntegerFieldWidget

from accounts.bounds import problem_of_number, problems_of_ladder, problems_of_orders
from accounts.defaults import LADDERS, MAX_STEPS, PARAMETERS, Step, Unit
from accounts.models import ApiToken, RiskProfile, RiskProfileRevision, Scope, User
from accounts.selectors import ladders_of, latest_revision, numbers_of
from accounts.services import (
    StaleRevisionError,
    create_profile,
    issue_token,
    refusals_of_held_limits,
    restore_revision,
    revise_profile,
)
from accounts.wording import Value, is_far_out, plain, show

SPARE_ROWS = 2  # empty rows under the steps there are


class LadderWidget(forms.Widget):
    """A table of at most eight rows: from or above, threshold, value."""

    template_name = "accounts/ladder.html"

    def __init__(self, ladder_name: str, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self.ladder = LADDERS[ladder_name]

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        rows = [_typed(row) if isinstance(row, Step) else row for row in value or ()]
        rows += [("1", "", "")] * min(SPARE_ROWS, MAX_STEPS - len(rows))
        return context | {
            "ladder": self.ladder,
            "rows": list(enumerate(rows)),
            "value_label": "share closed" if self.ladder.cumulative else "value",
        }

    def _render(self, template_name: str, context: dict[str, Any], renderer: Any = None) -> SafeString:
        return render_to_string(template_name, context)

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[tuple[str, str, str]]:
        def typed(row: int, column: str) -> str:
            return str(data.get(f"{name}-{row}-{column}", "")).strip()

        rows = [(typed(row, "inclusive"), typed(row, "threshold"), typed(row, "value")) for row in range(MAX_STEPS)]
        return [row for row in rows if row[1] or row[2]]

    def value_omitted_from_data(self, data: Any, files: Any, name: str) -> bool:
        return f"{name}-0-threshold" not in data

    def id_for_label(self, id_: str) -> str:
        return f"{id_}-0-threshold"


def _short(value: Value) -> Value:
    """0.400000 as 0.4, and 60000.00 as 60000 (not 6E+4)."""
    return Decimal(f"{value.normalize():f}") if isinstance(value, Decimal) else value


def _typed(step: Step) -> tuple[str, str, str]:
    """A step as its row would be typed."""
    return ("1" if step.inclusive else "0", str(_short(step.threshold)), str(_short(step.value)))


class LadderField(forms.Field):
    """The steps of one ladder, judged as a whole."""

    def __init__(self, ladder_name: str) -> None:
        self.ladder = LADDERS[ladder_name]
        super().__init__(
            label=self.ladder.label,
            required=False,  # an empty ladder gets a sentence of its own
            widget=LadderWidget(ladder_name),
            help_text=f"{self.ladder.help} Source: {self.ladder.source}.",
        )

    def to_python(self, value: Sequence[tuple[str, str, str]] | None) -> tuple[Step, ...]:
        return tuple(self._step(number, *row) for number, row in enumerate(value or (), 1))

    def _step(self, number: int, inclusive: str, threshold: str, value: str) -> Step:
        if not threshold or not value:
            raise ValidationError(f"{self.ladder.label}, step {number} needs both a threshold and a value.")
        return Step(self._decimal(number, threshold), self._decimal(number, value), inclusive != "0")

    def _decimal(self, number: int, text: str) -> Decimal:
        try:
            typed = Decimal(text)
        except InvalidOperation:
            typed = Decimal("NaN")
        if not typed.is_finite():
            raise ValidationError(f"{self.ladder.label}, step {number}: “{text}” is not a number.")
        if is_far_out(typed):
            raise ValidationError(f"{self.ladder.label}, step {number}: “{text}” is far outside every bound.")
        return typed

    def validate(self, value: tuple[Step, ...]) -> None:
        problems = problems_of_ladder(self.ladder, value)
        if problems:
            raise ValidationError(problems)

    def has_changed(self, initial: tuple[Step, ...] | None, data: Sequence[tuple[str, str, str]] | None) -> bool:
        try:
            return self.to_python(data) != (initial or ())
        except ValidationError:
            return True


class RiskProfileForm(forms.ModelForm):
    """Every number of a profile and the reason for changing it. `save` puts the next revision in force.

    Numbers are entered as they are stored: fractions as fractions (0.40), with the percent beside them.
    """

    based_on = forms.IntegerField(widget=forms.HiddenInput)
    confidence_factor = LadderField("confidence_factor")
    vix_factor = LadderField("vix_factor")
    exposure_factor = LadderField("exposure_factor")
    correlation_factor = LadderField("correlation_factor")
    take_profit_morning = LadderField("take_profit_morning")
    take_profit_midday = LadderField("take_profit_midday")
    take_profit_late = LadderField("take_profit_late")
    partial_profit = LadderField("partial_profit")
    time_factor = LadderField("time_factor")
    elapsed_factor = LadderField("elapsed_factor")
    dte_factor = LadderField("dte_factor")
    risk_reward = LadderField("risk_reward")
    profit_lock = LadderField("profit_lock")

    class Meta:
        model = RiskProfileRevision
        fields = [*PARAMETERS, "reason"]
        error_messages = {"reason": {"required": "Say why the numbers are changed."}}
        help_texts = {"reason": "Why the numbers are changed. It stays in the history."}

    class Media:
        css = {"all": ["accounts/profile.css"]}
        js = ["accounts/profile.js"]

    def __init__(self, *args: Any, instance: RiskProfile, **kwargs: Any) -> None:
        self.profile = instance
        self.latest = latest_revision(instance)
        numbers = numbers_of(self.latest)
        initial = {
            "based_on": self.latest.number,
            **{name: _short(value) for name, value in numbers.items()},
            **ladders_of(self.latest),
        }
        revision = RiskProfileRevision(profile=instance, number=self.latest.number + 1)
        super().__init__(*args, instance=revision, initial=initial | kwargs.pop("initial", {}), **kwargs)
        self.fields["reason"].widget.attrs["rows"] = 2
        for name in PARAMETERS:
            self._describe(name)

    def _describe(self, name: str) -> None:
        """Bounds, unit and source beside each number; the bounds themselves are judged in `clean`."""
        parameter, field = PARAMETERS[name], self.fields[name]
        field.help_text = f"{parameter.help} Source: {parameter.source}."
        if parameter.minimum is None or parameter.maximum is None:
            return
        low, high = show(parameter.minimum, parameter.unit), show(parameter.maximum, parameter.unit)
        field.validators = []
        field.error_messages["required"] = f"{parameter.label} is missing. It must be between {low} and {high}."
        field.widget.attrs |= {"data-unit": parameter.unit, "inputmode": "decimal", "step": "any"}
        default, now = parameter.default(self.profile.system), getattr(self.latest, name)
        field.help_text = (
            f"{parameter.help} From {low} to {high} ({parameter.unit}), by default {show(default, parameter.unit)}. "
            f"Source: {parameter.source}."
        )
        if parameter.unit is Unit.FRACTION:
            field.help_text += f" Now {plain(now)} = {show(now, parameter.unit)}."

    def clean(self) -> dict[str, Any]:
        """Judge bounds, order and held limits, each with a sentence. The base class is not asked: its `clean` would
        judge the same bounds again as constraints, one statement each."""
        data = self.cleaned_data
        if "based_on" in data and data["based_on"] != self.latest.number:
            raise ValidationError(str(StaleRevisionError(data["based_on"], self.latest)))
        for name, parameter in PARAMETERS.items():
            problem = problem_of_number(parameter, data[name]) if name in data else None
            if problem:
                self.add_error(name, problem)
        if not self.errors:
            for name, sentences in problems_of_orders(data).items():
                self.add_error(name, sentences)
            for name, sentence in refusals_of_held_limits(self.latest, data).items():
                self.add_error(name, sentence)
        if not self.errors and not set(self.changed_data) - {"reason"}:
            raise ValidationError("These are the numbers in force already: nothing to save.")
        return data

    def revise(self, *, author: User, now: datetime) -> RiskProfileRevision:
        """Put the entered numbers in force. Raises StaleRevisionError when someone else was faster."""
        return revise_profile(
            profile=self.profile,
            based_on=self.cleaned_data["based_on"],
            numbers={name: self.cleaned_data[name] for name in PARAMETERS},
            ladders={name: self.cleaned_data[name] for name in LADDERS},
            reason=self.cleaned_data["reason"],
            author=author,
            now=now,
        )


class RestoreForm(forms.Form):
    """Why an earlier revision's numbers are put in force again."""

    based_on = forms.IntegerField(widget=forms.HiddenInput)
    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why the earlier numbers are restored."},
    )

    def restore(self, *, profile: RiskProfile, number: int, author: User, now: datetime) -> RiskProfileRevision:
        return restore_revision(profile=profile, number=number, author=author, now=now, **self.cleaned_data)


class RiskProfileCreateForm(forms.ModelForm):
    """A new profile: it starts with the source's numbers of its system."""

    class Meta:
        model = RiskProfile
        fields = ["name", "slug", "system"]

    def create(self, *, author: User, now: datetime) -> RiskProfile:
        return create_profile(**{name: self.cleaned_data[name] for name in self.Meta.fields}, author=author, now=now)


class ApiTokenForm(forms.ModelForm):
    """A new token."""

    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, initial=[Scope.READ], widget=UnfoldAdminCheckboxSelectMultipleWidget
    )
    valid_days = forms.IntegerField(
        min_value=1, max_value=366, initial=90, label="Valid for, days", widget=UnfoldAdminIntegerFieldWidget
    )

    class Meta:
        model = ApiToken
        fields = ["user", "name"]

    def issue(self, *, now: datetime) -> tuple[ApiToken, str]:
        return issue_token(
            user=self.cleaned_data["user"],
            name=self.cleaned_data["name"],
            scopes=self.cleaned_data["scopes"],
            now=now,
            valid_for=timedelta(days=self.cleaned_data["valid_days"]),
        )
