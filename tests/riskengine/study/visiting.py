"""Every page and every endpoint of one portfolio, as the product lists them: what is added is visited without a word
here."""

import json
from dataclasses import dataclass, field
from io import StringIO

from django.core.management import call_command
from django.test import Client
from django.urls import get_resolver

from positions.models import Portfolio

# What forms send, and fragments.
NO_PAGES = {"place", "go-on", "set-clock", "review-tier", "size-answer", "size-chain"}
NO_PAGES |= {"sign-step", "try-out", "end-shadow", "roll-back"}


@dataclass
class Visited:
    """What a place answered, by its address."""

    statuses: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)


def reader(of: Portfolio) -> Client:
    client = Client()
    client.force_login(of.owner)
    return client


def pages() -> dict[str, str]:
    """Name and route of each page that needs a portfolio and nothing else."""
    found = {}
    for pattern in get_resolver("riskengine.urls").url_patterns:
        route = str(pattern.pattern)
        if route.startswith("portfolios/<slug:slug>/") and route.count("<") == 1:
            found[str(pattern.name)] = "/" + route
    return {name: route for name, route in found.items() if name not in NO_PAGES}


def endpoints() -> list[str]:
    """Each address of the API that is read with a portfolio's name alone."""
    out = StringIO()
    call_command("spectacular", "--format", "openapi-json", stdout=out)
    paths = json.loads(out.getvalue())["paths"]
    start = "/api/v1/portfolios/{slug}/"
    return [path for path, item in paths.items() if path.startswith(start) and path.count("{") == 1 and "get" in item]


def visit_pages(of: Portfolio) -> Visited:
    client, seen = reader(of), Visited()
    for name, route in pages().items():
        answer = client.get(route.replace("<slug:slug>", of.slug))
        seen.statuses[name] = answer.status_code
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        seen.texts[name] = body.decode(errors="replace")
    return seen


def visit_api(of: Portfolio, addresses: list[str]) -> Visited:
    client, seen = reader(of), Visited()
    for path in addresses:
        answer = client.get(path.format(slug=of.slug))
        seen.statuses[path] = answer.status_code
        seen.texts[path] = answer.content.decode(errors="replace")
    return seen
