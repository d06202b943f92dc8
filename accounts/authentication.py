"""API tokens for programs: `Authorization: Bearer bsz_...`."""

from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from accounts.models import ApiToken, Scope, User
from accounts.services import TOKEN_PREFIX, digest_of

if TYPE_CHECKING:
    from rest_framework.views import APIView  # at run time it reads the setting that names this module

USE_IS_NOTED_EVERY = timedelta(minutes=1)  # a program that polls every second would otherwise write every second


class TokenAuthentication(BaseAuthentication):
    """Signs in the token's user. Another kind of bearer is left to other classes; a bad token of ours is refused."""

    keyword = "Bearer"

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        words = get_authorization_header(request).split()
        if len(words) != 2 or words[0].lower() != b"bearer" or not words[1].startswith(TOKEN_PREFIX.encode()):
            return None
        now = timezone.now()
        token = ApiToken.objects.select_related("user").filter(key_digest=digest_of(words[1].decode("latin-1"))).first()
        if token is None or not token.user.is_active:
            raise AuthenticationFailed("This API token is not known.", code="token_unknown")
        if token.revoked_at is not None:
            raise AuthenticationFailed("This API token was revoked.", code="token_revoked")
        if token.expires_at <= now:
            raise AuthenticationFailed("This API token has expired. Issue a new one.", code="token_expired")
        ApiToken.objects.filter(
            Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_IS_NOTED_EVERY), pk=token.pk
        ).update(last_used_at=now)
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return self.keyword


class TokenScope(BasePermission):
    """A token may do what its scopes say: reading needs `read`, anything else the view's `token_scope`.

    A person signed in by session has every scope; what they may do is judged elsewhere.
    """

    message = "This API token does not have the scope for that."
    code = "token_scope"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.auth, ApiToken):
            return True
        needed = Scope.READ if request.method in SAFE_METHODS else getattr(view, "token_scope", Scope.TRADE)
        return needed in request.auth.scopes
