"""People, and the keys their programs use."""

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q


class User(AbstractUser):
    """A person who signs in. Staff see every portfolio, others only their own (`positions.selectors`)."""


class Scope(models.TextChoices):
    """What a token may do. A scope never gives more than its user may do."""

    READ = "read", "Read portfolios, decisions and performance"
    TRADE = "trade", "Authorise entries, cancel and close"
    RISK = "risk", "Change parameters and trading state"
    FEED = "feed", "Push market data"
    SIGNALS = "signals", "Send signals"


class ApiToken(models.Model):
    """A key for programs: `Authorization: Bearer bsz_...`.

    Only the SHA-256 digest of the secret is stored (32 random bytes need no slow hash); the secret is shown once.
    Times are wall time.
    """

    user = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField(max_length=100, help_text="What uses it, for example “nightly report”.")
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope))
    prefix = models.CharField(max_length=12, help_text="The first characters of the secret, to recognise it by.")
    key_digest = models.CharField("SHA-256 of the secret, hexadecimal", max_length=64, unique=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField("last used at, to the minute", null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "API token"
        constraints = [
            models.CheckConstraint(
                name="apitoken_key_digest_is_sha256",
                condition=Q(key_digest__regex=r"^[0-9a-f]{64}$"),
                violation_error_message="The digest must be 64 hexadecimal characters.",
            ),
            models.CheckConstraint(
                name="apitoken_expires_after_creation",
                condition=Q(expires_at__gt=F("created_at")),
                violation_error_message="A token must expire after it was created.",
            ),
            models.CheckConstraint(
                name="apitoken_scopes_known",
                condition=Q(scopes__contained_by=Scope.values) & Q(scopes__len__gte=1),
                violation_error_message="A token needs at least one scope, and only scopes that exist.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class IdempotentRequest(models.Model):
    """The stored answer to a request that carried an idempotency key, so that a repeat gets the same answer.

    The same key with another body is refused (422). Times are wall time.
    """

    actor = models.ForeignKey("accounts.User", on_delete=models.PROTECT, related_name="+")
    route = models.CharField(max_length=200, help_text="Method and route name, for example “POST entries”.")
    key = models.CharField(max_length=100)
    request_digest = models.CharField("SHA-256 of the request body, hexadecimal", max_length=64)
    response_status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="Empty while it is running.")
    response_body = models.JSONField(null=True, blank=True)
    requested_at = models.DateTimeField()
    responded_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="idempotentrequest_actor_route_key",
                fields=["actor", "route", "key"],
                violation_error_message="This idempotency key was already used on this route.",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
