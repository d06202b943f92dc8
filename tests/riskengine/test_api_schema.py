"""The API describes itself: a valid schema, the one error shape everywhere, documentation that the policy lets run."""

import json
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

DOCS = "/api/v1/docs/"
WEBHOOK = "post /api/v1/signals/webhook/{source}/"  # it has a secret, and nobody's name
ERRORS = {"$ref": "#/components/schemas/Errors"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", "--format", "openapi-json", stdout=out)
    return json.loads(out.getvalue())


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(f"{method} {path}", each) for path, item in schema["paths"].items() for method, each in item.items()]


def test_every_endpoint_is_described(schema: dict[str, Any]) -> None:
    assert {name for name, _ in operations(schema)} >= {
        "get /api/v1/portfolios/",
        "get /api/v1/portfolios/{slug}/",
        "get /api/v1/portfolios/{slug}/contracts/",
        "post /api/v1/portfolios/{slug}/sizing/preview/",
        "post /api/v1/portfolios/{slug}/entries/",
        "post /api/v1/portfolios/{slug}/entries/{decision_id}/confirm/",
        "post /api/v1/portfolios/{slug}/orders/{order_id}/cancel/",
        "post /api/v1/portfolios/{slug}/positions/{position_id}/close/",
        "get /api/v1/portfolios/{slug}/decisions/",
        "get /api/v1/portfolios/{slug}/decisions/{decision_id}/",
        "get /api/v1/portfolios/{slug}/fills/",
        "get /api/v1/portfolios/{slug}/orders/",
        "get /api/v1/portfolios/{slug}/positions/",
        "get /api/v1/portfolios/{slug}/positions/{position_id}/",
    }
    assert all(operation["description"] for _, operation in operations(schema))


def test_every_error_has_the_one_shape(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        refusals = {status: each for status, each in operation["responses"].items() if status >= "400"}
        expected = {"403"} if name == WEBHOOK else {"401", "404"} if "{slug}" in name else {"401"}
        assert expected <= refusals.keys(), name
        for status, response in refusals.items():
            assert response["content"]["application/json"]["schema"] == ERRORS, (name, status)


def test_the_error_shape_is_a_list_of_code_message_and_field(schema: dict[str, Any]) -> None:
    shapes = schema["components"]["schemas"]
    assert shapes["Errors"]["properties"]["errors"]["items"] == {"$ref": "#/components/schemas/Error"}
    assert set(shapes["Error"]["properties"]) == set(shapes["Error"]["required"]) == {"code", "message", "field"}


def test_a_preview_says_what_it_takes_and_that_some_bets_cannot_be_sized(schema: dict[str, Any]) -> None:
    operation = schema["paths"]["/api/v1/portfolios/{slug}/sizing/preview/"]["post"]
    assert {"200", "400", "422"} <= operation["responses"].keys()
    asked = schema["components"]["schemas"]["PreviewRequest"]
    assert asked["required"] == ["confidence", "contract"]
    assert list(operation["requestBody"]["content"]) == ["application/json"]


def test_an_entry_names_its_key_and_every_answer(schema: dict[str, Any]) -> None:
    operation = schema["paths"]["/api/v1/portfolios/{slug}/entries/"]["post"]
    assert {"200", "201", "400", "409", "422"} <= operation["responses"].keys()
    assert "Idempotency-Key" in {each["name"] for each in operation["parameters"] if each["in"] == "header"}
    asked = schema["components"]["schemas"]["Entry"]
    assert asked["required"] == ["confidence", "contract"]


def test_both_ways_to_sign_in_are_described(schema: dict[str, Any]) -> None:
    schemes = schema["components"]["securitySchemes"]
    assert schemes["token"]["scheme"] == "bearer"
    by_name = {name: operation.get("security") for name, operation in operations(schema) if name != WEBHOOK}
    assert all({"token": []} in security for security in by_name.values())


def test_a_webhook_asks_for_no_name(schema: dict[str, Any]) -> None:
    operation = dict(operations(schema))[WEBHOOK]
    assert not operation.get("security")
    assert {"application/json", "text/plain"} == operation["requestBody"]["content"].keys()
    assert {"200", "201", "400", "403", "409", "413", "415", "422"} <= operation["responses"].keys()


# ---- The page of documentation ----


class Page(HTMLParser):
    """The scripts of a page: their addresses, and what stands within them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: list[str | None] = []
        self.inline = ""
        self.handlers: list[str] = []
        self._within = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handlers += [name for name, _ in attributes if name.startswith("on")]
        self._within = tag == "script"
        if self._within:
            self.sources.append(dict(attributes).get("src"))

    def handle_data(self, data: str) -> None:
        if self._within:
            self.inline += data.strip()

    def handle_endtag(self, tag: str) -> None:
        self._within = False


def test_the_documentation_runs_under_the_content_policy(client: Client, db: None) -> None:
    response = client.get(DOCS)
    assert response.status_code == 200
    policy = dict(part.strip().partition(" ")[::2] for part in response["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'self'"
    assert "script-src" not in policy
    page = Page(response.text)
    assert (page.inline, page.handlers) == ("", [])
    assert page.sources
    for source in page.sources:
        assert source is not None
        assert source.startswith("/")
        script = client.get(source)
        assert script.status_code == 200
        assert "javascript" in script["Content-Type"]


def test_the_documentation_reads_the_schema_that_is_served(client: Client, db: None) -> None:
    served = client.get("/api/v1/schema/", {"format": "json"})
    assert served.status_code == 200
    assert "/api/v1/portfolios/{slug}/sizing/preview/" in served.json()["paths"]
