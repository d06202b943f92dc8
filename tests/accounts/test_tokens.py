"""API tokens: shown once, stored as a digest, refused when unknown, expired or revoked."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.utils import timezone
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from accounts.authentication import TokenAuthentication, TokenScope
from accounts.models import ApiToken, Scope, User
from accounts.services import issue_token, revoke_token
from tests import factories

pytestmark = pytest.mark.django_db


class Echo(APIView):
    authentication_classes = [TokenAuthentication, SessionAuthentication]
    permission_classes = [IsAuthenticated, TokenScope]
    throttle_classes: list = []
    token_scope = Scope.RISK

    def get(self, request: Request) -> Response:
        return Response(request.user.get_username())

    post = get


@pytest.fixture
def maria() -> User:
    return factories.user("maria")


def issue(user: User, *scopes: Scope, days: float = 1) -> tuple[ApiToken, str]:
    return issue_token(
        user=user, name="report", scopes=scopes or [Scope.READ], now=timezone.now(), valid_for=timedelta(days=days)
    )


def ask(secret: str, method: str = "get") -> Response:
    request = getattr(APIRequestFactory(), method)("/", HTTP_AUTHORIZATION=f"Bearer {secret}")
    request.user = AnonymousUser()
    return Echo.as_view()(request)


def test_a_token_signs_its_user_in_and_its_secret_is_not_stored(maria):
    token, secret = issue(maria)
    assert (ask(secret).status_code, ask(secret).data) == (200, "maria")
    assert secret.startswith("bsz_")
    assert secret not in str(ApiToken.objects.filter(pk=token.pk).values())


def test_an_unknown_expired_or_revoked_token_is_refused_with_its_reason(maria):
    token, secret = issue(maria)
    assert "not known" in str(ask("bsz_" + "x" * 43).data)
    ApiToken.objects.update(created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now())
    assert "expired" in str(ask(secret).data)
    assert revoke_token(token=token, now=timezone.now())
    assert not revoke_token(token=token, now=timezone.now())
    response = ask(secret)
    assert "revoked" in str(response.data)
    assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")


def test_a_deactivated_user_s_token_is_refused(maria):
    _, secret = issue(maria)
    User.objects.update(is_active=False)
    assert ask(secret).status_code == 401


@pytest.mark.parametrize(
    ("scopes", "method", "status"),
    [
        ([Scope.READ], "get", 200),
        ([Scope.READ, Scope.TRADE], "post", 403),
        ([Scope.RISK], "post", 200),
        ([Scope.RISK], "get", 403),
    ],
)
def test_a_token_does_what_its_scopes_say(maria, scopes, method, status):
    _, secret = issue(maria, *scopes)
    assert ask(secret, method).status_code == status


def test_use_is_noted_once_a_minute(maria, django_assert_num_queries):
    _, secret = issue(maria)
    ask(secret)
    noted = ApiToken.objects.get().last_used_at
    ask(secret)
    assert noted is not None
    assert ApiToken.objects.get().last_used_at == noted


def test_a_token_needs_a_known_scope_and_a_future(maria):
    with pytest.raises(ValueError, match="fly"):
        issue(maria, "fly")
    with pytest.raises(ValidationError, match="must expire after it was created"):
        issue(maria, days=-1)


def test_the_command_prints_the_secret_alone_on_standard_output(maria):
    out, err = StringIO(), StringIO()
    call_command(
        "issue_token", "maria", "nightly report", "--scope", "read", "--scope", "trade", stdout=out, stderr=err
    )
    token = ApiToken.objects.get()
    assert ask(out.getvalue().strip()).status_code == 200
    assert (token.name, token.scopes) == ("nightly report", ["read", "trade"])
    assert "read, trade" in err.getvalue()


def test_the_command_says_when_there_is_no_such_user():
    with pytest.raises(CommandError, match="There is no active user 'nobody'"):
        call_command("issue_token", "nobody", "x")
