"""An alert to a service that Apprise knows (docs/decisions/0021): only those with a host of their own.

An Apprise address may name any host, and Apprise connects by itself: what it reaches could not be held to public
addresses. The schemes below reach the service they are named after and nothing else. Whoever runs a service of his own
uses a webhook, whose JSON has the whole message as `text` (Slack, Mattermost and Rocket.Chat show that).
"""

from typing import Any

from riskengine.services.notify.address import TargetRefused
from riskengine.services.notify.message import Message
from riskengine.services.notify.webhook import NotTaken

SCHEMES = (
    "brevo", "clicksend", "discord", "gchat", "line", "opsgenie", "pagerduty", "pbul", "pover", "prowl", "resend",
    "sendgrid", "signl4", "simplepush", "slack", "splunk", "telnyx", "tgram", "twilio", "victorops", "vonage",
)  # fmt: skip


def send(message: Message) -> str:
    """The receipt. NotTaken or TargetRefused otherwise. It knows no message ids: a repeat has the same text."""
    service = _service(message.address)
    text = f"{message.text}\nMessage {message.id}"
    if not service.notify(body=text, title=message.subject, notify_type=_type(message.severity)):
        raise NotTaken("The service did not take it.")
    return "The service took it."


def check(address: str) -> None:
    """That Apprise understands the address, and that it leads to a known service. TargetRefused otherwise."""
    _service(address)


def _service(address: str) -> Any:
    scheme, separator, _ = address.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        raise TargetRefused(f"An Apprise address must begin with one of {', '.join(SCHEMES)}, and :// after it.")
    import apprise  # here: it takes half a second, and few installations use it

    asset = apprise.AppriseAsset(app_id="betsizing", app_desc="betsizing", app_url="", async_mode=False)
    service = apprise.Apprise(asset=asset)
    if not service.add(address):
        raise TargetRefused(f"Apprise does not understand this address of {scheme}.")
    return service


def _type(severity: str) -> str:
    return {"critical": "failure", "warning": "warning"}.get(severity, "info")
