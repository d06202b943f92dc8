"""The settings of a provider, as JSON: judged when they are saved, so that a mistake is a sentence and no failing run.

Kind http_json: a list of endpoints, each of which brings one kind of data.

    {"endpoints": [{
        "brings": "closes",
        "path": "/v1/eod/{symbol}",                what stands in braces is filled in, see PLACEHOLDERS
        "query": {"from": "{first}", "to": "{last}"},
        "rows": "data.*",                          where the rows are; * is every entry of a list or an object
        "fields": {"symbol": "@symbol", "session_on": "date", "close": "close", "adjusted_close": "adjClose"},
        "epoch": "ms",                             times are numbers: s, ms, us or ns since 1970; left out: ISO 8601
        "scale": {"pe_ratio": 0.01},               number times this
        "words": {"timing": {"bmo": "before_open"}}
    }], "credential": {"header": "Authorization", "prefix": "Bearer "}}

A field is a path into the row, or what stands around it: @symbol, @contract (the one asked for), @1, @2 (the key that
the first, the second * stood for).

Kind alpaca: {"stock_feed": "iex", "option_feed": "opra", "chain_days": 9, "chain_percent": 5}, all of them optional.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as django_settings

from positions.market.providers.base import CLOSES, KINDS_OF_DATA, QUOTES, SHAPES, SPLITS

ALPACA, HTTP_JSON = "alpaca", "http_json"
BRINGS = {ALPACA: (QUOTES, CLOSES, SPLITS), HTTP_JSON: KINDS_OF_DATA}
PLACEHOLDERS = ("symbol", "symbols", "contract", "contracts", "first", "last")
EPOCHS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
STOCK_FEEDS = ("iex", "sip")
OPTION_FEEDS = (
    "opra",
)  # "indicative" quotes are made up by the provider from delayed ones: nothing can be sized on them
MOST_ENDPOINTS = 20
MOST_CHAIN_DAYS, MOST_CHAIN_PERCENT = 60, 50

_BRACES = re.compile(r"\{([^{}]*)\}")
_HEADER = re.compile(r"[A-Za-z0-9-]{1,60}")
_ENDPOINT_KEYS = {"brings", "path", "query", "rows", "fields", "epoch", "scale", "words"}


def problems(kind: str, settings: object) -> list[str]:
    """What is wrong with the settings of a provider, a sentence each. Empty: they can be used."""
    if not isinstance(settings, Mapping):
        return ["The settings are a JSON object."]
    return list(_alpaca(settings) if kind == ALPACA else _http_json(settings))


def brought(kind: str, settings: Mapping[str, Any]) -> set[str]:
    """The kinds of data that a provider with such settings can be asked for."""
    if kind == ALPACA:
        return set(BRINGS[ALPACA])
    return {endpoint["brings"] for endpoint in settings["endpoints"]}


def asks_for_chains(kind: str, settings: Mapping[str, Any]) -> bool:
    """Whether contracts are told of that were not named one by one."""
    if kind == ALPACA:
        return bool(settings.get("chain_days"))
    return any(
        endpoint["brings"] == QUOTES
        and "contract" in endpoint["fields"]
        and not placeholders(endpoint) & {"contract", "contracts"}
        for endpoint in settings["endpoints"]
    )


def placeholders(endpoint: Mapping[str, Any]) -> set[str]:
    """What the path and the query of an endpoint ask to be filled in."""
    texts = chain([endpoint["path"]], endpoint.get("query", {}).values())
    return {name for text in texts for name in _BRACES.findall(str(text))}


def _alpaca(settings: Mapping[str, Any]) -> Iterator[str]:
    unknown = sorted(set(settings) - {"stock_feed", "option_feed", "chain_days", "chain_percent"})
    if unknown:
        yield f"“{unknown[0]}” is no setting of Alpaca's."
    if settings.get("stock_feed", "iex") not in STOCK_FEEDS:
        yield f"The stock feed must be {' or '.join(STOCK_FEEDS)}."
    if settings.get("option_feed", "opra") not in OPTION_FEEDS:
        yield "The option feed must be opra: indicative quotes are derived and delayed, and no bet is sized on them."
    for name, most in (("chain_days", MOST_CHAIN_DAYS), ("chain_percent", MOST_CHAIN_PERCENT)):
        value = settings.get(name, 0)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            yield f"“{name}” must be a whole number from 0 to {most}."


def _http_json(settings: Mapping[str, Any]) -> Iterator[str]:
    unknown = sorted(set(settings) - {"endpoints", "credential", "headers"})
    if unknown:
        yield f"“{unknown[0]}” is no setting here: endpoints, credential, headers."
    yield from _credential(settings.get("credential", {}))
    headers = settings.get("headers", {})
    if not (isinstance(headers, Mapping) and all(_is_header(name, text) for name, text in headers.items())):
        yield "“headers” must be an object of header names and plain texts."
    endpoints = settings.get("endpoints")
    if not isinstance(endpoints, list) or not 1 <= len(endpoints) <= MOST_ENDPOINTS:
        yield f"“endpoints” must be a list of 1 to {MOST_ENDPOINTS} objects."
        return
    for number, endpoint in enumerate(endpoints, 1):
        for problem in _endpoint(endpoint):
            yield f"Endpoint {number}: {problem}"


def _credential(credential: object) -> Iterator[str]:
    if not isinstance(credential, Mapping) or set(credential) - {"header", "query", "prefix"}:
        yield "“credential” must be an object with header or query, and prefix where one is needed."
        return
    if credential and ("header" in credential) == ("query" in credential):
        yield "The credential goes into a header or into the query, not into both."
    for name in ("header", "query"):
        if name in credential and not _is_header(credential[name], credential.get("prefix", "")):
            yield f"The credential's {name} must be a plain name of letters, digits and hyphens."


def _is_header(name: object, text: object) -> bool:
    plain = isinstance(text, str) and text.isascii() and (text.isprintable() or not text)
    return isinstance(name, str) and bool(_HEADER.fullmatch(name.replace("_", "-"))) and plain


def _endpoint(endpoint: object) -> Iterator[str]:
    if not isinstance(endpoint, Mapping):
        yield "it must be an object."
        return
    unknown = sorted(set(endpoint) - _ENDPOINT_KEYS)
    if unknown:
        yield f"“{unknown[0]}” is not known."
    if endpoint.get("brings") not in KINDS_OF_DATA:
        yield f"“brings” must be one of {', '.join(KINDS_OF_DATA)}."
        return
    path, query = endpoint.get("path"), endpoint.get("query", {})
    if not isinstance(path, str) or not path.startswith("/"):
        yield "“path” must begin with a slash."
        return
    if not isinstance(query, Mapping) or not all(isinstance(text, str) for text in query.values()):
        yield "“query” must be an object of texts."
        return
    wrong = sorted(placeholders(endpoint) - set(PLACEHOLDERS))
    if wrong:
        yield f"“{{{wrong[0]}}}” cannot be filled in; there are {', '.join(PLACEHOLDERS)}."
    if not isinstance(endpoint.get("rows", ""), str):
        yield "“rows” must be a path such as data.*."
    if endpoint.get("epoch", "s") not in EPOCHS:
        yield f"“epoch” must be one of {', '.join(EPOCHS)}."
    yield from _fields(endpoint)


def _fields(endpoint: Mapping[str, Any]) -> Iterator[str]:
    fields = endpoint.get("fields")
    if not isinstance(fields, Mapping) or not all(isinstance(path, str) and path for path in fields.values()):
        yield "“fields” must be an object: our name of each field, and the path to it."
        return
    shapes = SHAPES[endpoint["brings"]]
    if not any(set(needed) <= set(fields) <= {*needed, *optional} for needed, optional in shapes):
        words = " or ".join(_shape_in_words(*shape) for shape in shapes)
        yield f"rows of {endpoint['brings']} have the fields {words}."
    scale, translations = endpoint.get("scale", {}), endpoint.get("words", {})
    if not isinstance(scale, Mapping) or not all(
        name in fields and isinstance(number, int | float) and not isinstance(number, bool) and number > 0
        for name, number in scale.items()
    ):
        yield "“scale” must give fields a number above 0."
    if not isinstance(translations, Mapping) or not all(
        name in fields and isinstance(table, Mapping) and all(isinstance(word, str) for word in table.values())
        for name, table in translations.items()
    ):
        yield "“words” must give fields an object of their words and ours."


def _shape_in_words(needed: Sequence[str], optional: Sequence[str]) -> str:
    return ", ".join(needed) + (f" (and {', '.join(optional)})" if optional else "")


def address_problems(base_url: str) -> list[str]:
    """What is wrong with the address of a provider, before any name is looked up: the connection judges where it leads.
    Plain http is for the own network, where the setting allows it (`PROVIDERS_ALLOW_PRIVATE_ADDRESSES`)."""
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError as error:
        return [f"This is no web address: {error}."]
    schemes = ("https", "http") if django_settings.PROVIDERS_ALLOW_PRIVATE_ADDRESSES else ("https",)
    if url.scheme not in schemes or not url.hostname or port == 0:
        return ["The address begins with https:// and names a host."]
    if url.username is not None or url.password is not None or url.query or url.fragment:
        return ["Leave user, password and query out of the address: credentials are variables of the environment."]
    if not base_url.isascii() or any(character <= " " for character in base_url):
        return ["The address must be written in plain characters, without spaces."]
    return []
