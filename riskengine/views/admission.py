"""Who may open the live stream of the desk: whoever was just shown it, by a signed cookie that is good for a minute."""

from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie

from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpResponse

from accounts.models import User

COOKIE, PATH = "betsizing_live", "/sse/"
GOOD_FOR_SECONDS = 60

_signer = TimestampSigner(salt="betsizing.live")


def admit(response: HttpResponse, user: User, *, secure: bool) -> HttpResponse:
    """Let who has just been shown the desk open its stream."""
    response.set_cookie(
        COOKIE,
        _signer.sign(str(user.pk)),
        max_age=GOOD_FOR_SECONDS,
        path=PATH,
        secure=secure,
        httponly=True,
        samesite="Strict",
    )
    return response


def admitted(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """The id of the person whose cookie this is; None without one that is good."""
    for name, value in headers:
        if name == b"cookie":
            try:
                morsel = SimpleCookie(value.decode("latin-1")).get(COOKIE)
                return None if morsel is None else int(_signer.unsign(morsel.value, max_age=GOOD_FOR_SECONDS))
            except (BadSignature, CookieError, ValueError):
                return None
    return None
