"""Who a webhook is: its shared secret, of which only a hash is kept.

A webhook has no token, so its secret is all that stands between the internet and a signal. It is 32 random bytes, so
its hash needs no slowness; it is shown once, and never written to a log, an error or the admin.
"""

import hashlib
import secrets
from hmac import compare_digest

from riskengine.models import SignalSource, SourceKind

PREFIX = "whs_"  # marks a secret of ours, so that a leaked one is recognised
NOBODY = hashlib.sha256(b"").hexdigest()  # what an unknown source is compared with; no source has it


def digest_of_secret(secret: str) -> str:
    """How a secret is stored. Text that is no valid Unicode is hashed as it came: it is wrong, and no fault of ours."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def webhook_source(slug: str, secret: str) -> SignalSource | None:
    """The webhook of this slug, if the secret is its own. An unknown one takes the same work as a wrong secret: who
    guesses learns from neither answer nor time whether there is such a webhook."""
    rows = SignalSource.objects.select_related("portfolio")
    found = rows.filter(slug=slug, kind=SourceKind.WEBHOOK).first()
    is_right = compare_digest(digest_of_secret(secret), found.secret_hash if found else NOBODY)
    return found if found is not None and secret and is_right else None


def new_secret() -> tuple[str, str]:
    """A secret to be shown once, and the hash to be kept."""
    secret = PREFIX + secrets.token_urlsafe(32)
    return secret, digest_of_secret(secret)


def renew_secret(source: SignalSource) -> str:
    """Another secret for a webhook, shown once; the old one is refused from now on. ValueError for another kind."""
    if source.kind != SourceKind.WEBHOOK:
        raise ValueError(f"{source.name} is no webhook: it has no secret.")
    secret, digest = new_secret()
    SignalSource.objects.filter(pk=source.pk).update(secret_hash=digest)
    return secret
