"""The adapter of a provider for one question. Adapters are imported here and not before: the worker of the queue
`market` stays small until there is a provider, and without Alpaca's library until there is one of its kind."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from positions.market.providers.base import NOT_CONFIGURED, Provider, ProviderError
from positions.market.providers.configuration import ALPACA
from positions.market.providers.patience import Deadline


class Described(NamedTuple):
    """A provider as it is configured, with its credentials. `allow_private`: it may lead into the own network."""

    name: str
    kind: str
    base_url: str
    settings: Mapping[str, Any]
    key: str
    secret: str
    requests_per_minute: int
    allow_private: bool = False


def prepare(kind: str) -> None:
    """Import what adapters of a kind need, before the time of a question runs."""
    if kind == ALPACA:
        from positions.market.providers import alpaca  # noqa: F401 (for its effect)
    else:
        from positions.market.providers import http_json  # noqa: F401


def provider_of(described: Described, deadline: Deadline) -> Provider:
    """ProviderError where it cannot be asked as it is configured."""
    from positions.market.providers.allowance import allowance_of
    from positions.market.providers.transport import Line

    line = Line(deadline, allow_private=described.allow_private)
    allowance = allowance_of(described.name, described.requests_per_minute)
    if described.kind == ALPACA:
        from positions.market.providers.alpaca import AlpacaProvider

        if not (described.key and described.secret):
            raise ProviderError(NOT_CONFIGURED, "Alpaca needs a key and a secret: name the variables that hold them.")
        given = (described.base_url, described.settings, described.key, described.secret)
        return AlpacaProvider(*given, line, allowance)
    from positions.market.providers.http_json import HttpJsonProvider

    return HttpJsonProvider(described.base_url, described.settings, described.key, line, allowance)
