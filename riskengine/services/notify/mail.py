"""An alert by e-mail, through the server that EMAIL_URL names. A repeat carries the same Message-ID."""

from smtplib import SMTPException

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email

from riskengine.services.notify.address import TargetRefused
from riskengine.services.notify.message import Message
from riskengine.services.notify.webhook import NotTaken

TIMEOUT_SECONDS = 5
NO_SERVER = "There is no mail server: set EMAIL_URL, for example smtp+tls://user:password@mail.example.com:587."


def send(message: Message) -> str:
    """The receipt. NotTaken, TargetRefused or OSError otherwise."""
    check(message.address)
    mail = EmailMessage(
        subject=" ".join(message.subject.split()),
        body=message.text,
        from_email=settings.ALERTS_FROM,
        to=[message.address],
        headers={
            "Message-ID": f"<{message.id}@betsizing.invalid>",
            "X-Alert-Id": message.id,
            "Auto-Submitted": "auto-generated",
        },
        connection=get_connection(timeout=TIMEOUT_SECONDS),
    )
    try:
        mail.send()
    except SMTPException as error:
        raise NotTaken(f"The mail server did not take it: {error}") from error
    return "The mail server took it."


def check(address: str) -> None:
    """That a message could be sent there as things stand. TargetRefused otherwise."""
    if not settings.EMAIL_HOST:
        raise TargetRefused(NO_SERVER)
    try:
        validate_email(address)
    except ValidationError as error:
        raise TargetRefused("This is not an e-mail address.") from error
