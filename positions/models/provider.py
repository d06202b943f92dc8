"""Providers of market data: who is asked for what, how often, and what came of it."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from accounts.models.constraint import one_of, ordered, within
from positions.market.providers import base, configuration


class ProviderKind(models.TextChoices):
    ALPACA = configuration.ALPACA, "Alpaca"
    HTTP_JSON = configuration.HTTP_JSON, "JSON over HTTP"


class DataKind(models.TextChoices):
    QUOTES = base.QUOTES, "Quotes"
    CLOSES = base.CLOSES, "Daily closes"
    FUNDAMENTALS = base.FUNDAMENTALS, "Fundamentals"
    EARNINGS = base.EARNINGS, "Earnings dates"
    SPLITS = base.SPLITS, "Splits"


class RunOutcome(models.TextChoices):
    OK = "ok", "Answered"
    FAILED = "failed", "Nothing came"


VARIABLE = r"^(MARKET_DATA|APCA)_[A-Z0-9_]+$"
VARIABLE_SENTENCE = "The variable's name must begin with MARKET_DATA_ or APCA_, in capitals, digits and underscores."


class DataProvider(models.Model):
    """A program elsewhere that is asked for market data. What it says is stored under its name.

    It never holds a secret: only the names of the environment variables that do. Their prefixes are fixed, so that
    whoever configures a provider cannot have it sent another secret of this process.
    """

    name = models.CharField(
        max_length=40, unique=True, help_text="The source that portfolios read, and that is stored with every row."
    )
    kind = models.CharField(max_length=12, choices=ProviderKind)
    base_url = models.CharField(
        "address",
        max_length=200,
        blank=True,
        help_text="https://… without a path to one endpoint. Empty: Alpaca's own.",
    )
    settings = models.JSONField(default=dict, blank=True, help_text="JSON, as docs/guide/providers.md describes it.")
    key_variable = models.CharField(
        "variable of the key", max_length=60, blank=True, help_text="Name of the environment variable, for example "
        "MARKET_DATA_KEY or APCA_API_KEY_ID. Never the key itself."
    )  # fmt: skip
    secret_variable = models.CharField(
        "variable of the secret", max_length=60, blank=True, help_text="Only Alpaca's has one: APCA_API_SECRET_KEY."
    )
    symbols = models.CharField(
        max_length=400,
        blank=True,
        help_text="Underlyings, separated by spaces. Empty: those that portfolios of this source hold and watch.",
    )
    requests_per_minute = models.PositiveIntegerField("requests a minute, at most", default=120)
    timeout_seconds = models.PositiveIntegerField("seconds for a whole answer", default=10)
    enabled = models.BooleanField(default=False)

    class Meta:
        constraints = [
            one_of("dataprovider_kind_known", "kind", ProviderKind, "The kind must be Alpaca or JSON over HTTP."),
            models.CheckConstraint(
                name="dataprovider_has_a_name",
                condition=Q(name__regex=r"^\S(.*\S)?$"),
                violation_error_message="Give the provider a name, without spaces around it.",
            ),
            models.CheckConstraint(
                name="dataprovider_key_variable_form",
                condition=Q(key_variable="") | Q(key_variable__regex=VARIABLE),
                violation_error_message=VARIABLE_SENTENCE,
            ),
            models.CheckConstraint(
                name="dataprovider_secret_variable_form",
                condition=Q(secret_variable="") | Q(secret_variable__regex=VARIABLE),
                violation_error_message=VARIABLE_SENTENCE,
            ),
            models.CheckConstraint(
                name="dataprovider_address_where_needed",
                condition=Q(kind="alpaca") | ~Q(base_url=""),
                violation_error_message="A provider of this kind needs an address.",
            ),
            within("dataprovider_requests_bounds", "requests_per_minute", 1, 10_000, "1 to 10,000 requests a minute."),
            within("dataprovider_timeout_bounds", "timeout_seconds", 1, 20, "An answer is given 1 to 20 seconds."),
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        found: dict[str, list[str]] = {}
        if wrong := configuration.problems(self.kind, self.settings):
            found["settings"] = wrong
        if self.base_url and (wrong := configuration.address_problems(self.base_url)):
            found["base_url"] = wrong
        if self.kind == ProviderKind.ALPACA and not (self.key_variable and self.secret_variable):
            found["key_variable"] = ["Alpaca needs a key and a secret: name the variables that hold them."]
        if found:
            raise ValidationError(found)

    @property
    def wanted_symbols(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.symbols.upper().split()))


class Supply(models.Model):
    """One kind of data that a provider is asked for. `next_at`, `leased_until` and `failures` are the schedule's: who
    takes a supply that is due holds it until the lease ends, so that two workers never ask twice."""

    provider = models.ForeignKey(DataProvider, on_delete=models.PROTECT, related_name="supplies")
    what = models.CharField(max_length=12, choices=DataKind)
    interval_seconds = models.PositiveIntegerField("asked every (seconds)", default=3600)
    next_at = models.DateTimeField("next (wall time)", null=True, blank=True, editable=False)
    leased_until = models.DateTimeField("being asked until (wall time)", null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField("failures in a row", default=0, editable=False)

    class Meta:
        verbose_name_plural = "supplies"
        constraints = [
            one_of("supply_what_known", "what", DataKind, "This kind of data is not known."),
            models.UniqueConstraint(
                name="supply_once_a_provider",
                fields=["provider", "what"],
                violation_error_message="The provider is asked for this already.",
            ),
            within("supply_interval_bounds", "interval_seconds", 5, 604_800, "Every 5 seconds to once a week."),
        ]

    def __str__(self) -> str:
        return f"{self.provider}: {self.what}"

    def clean(self) -> None:
        provider: Any = getattr(self, "provider", None)
        if provider is None or configuration.problems(provider.kind, provider.settings):
            return  # said at the provider
        if self.what not in configuration.brought(provider.kind, provider.settings):
            raise ValidationError({"what": f"This provider brings no {self.what}: see its kind and its endpoints."})


class ProviderRun(models.Model):
    """One question and what became of it. `known` rows said what was stored already, `late` ones were not newer than
    that; `rejected` could not be true, by `reasons`. `gaps`: what was asked for and not told, by symbol."""

    provider = models.ForeignKey(DataProvider, on_delete=models.PROTECT, related_name="runs")
    what = models.CharField(max_length=12, choices=DataKind)
    started_at = models.DateTimeField("started at (wall time)")
    finished_at = models.DateTimeField("finished at (wall time)")
    outcome = models.CharField(max_length=8, choices=RunOutcome)
    new = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    known = models.PositiveIntegerField(default=0)
    rejected = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)
    reasons = models.JSONField("rejected, by reason", default=dict, blank=True)
    gaps = models.JSONField("asked for and not told", default=dict, blank=True)
    code = models.CharField(max_length=40, blank=True)
    sentence = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [
            one_of("providerrun_what_known", "what", DataKind, "This kind of data is not known."),
            one_of("providerrun_outcome_known", "outcome", RunOutcome, "The outcome must be ok or failed."),
            ordered("providerrun_ends_after_it_starts", "started_at", "finished_at", "A run ends after it starts."),
            models.CheckConstraint(
                name="providerrun_failure_says_why",
                condition=Q(outcome="ok", code="", sentence="") | (Q(outcome="failed") & ~Q(code="") & ~Q(sentence="")),
                violation_error_message="A run that failed has a code and a sentence, another has none.",
            ),
            models.CheckConstraint(
                name="providerrun_failure_stores_nothing",
                condition=Q(outcome="ok") | Q(new=0, changed=0, known=0),
                violation_error_message="A run that failed stored nothing.",
            ),
        ]
        indexes = [models.Index("provider", "what", F("id").desc(), name="providerrun_last")]

    def __str__(self) -> str:
        return f"{self.provider}: {self.what} at {self.started_at:%Y-%m-%d %H:%M:%S} UTC"
