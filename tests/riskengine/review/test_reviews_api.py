"""Reviews and days over the API: lists, one of each, deciding once per key, and errors beside their field."""

from typing import Any

import pytest
from django.test import Client

from positions.models import Portfolio
from riskengine.models import Review, ReviewAnswer
from riskengine.services.review.day import run_days
from tests.riskengine import market
from tests.riskengine.counts import assert_counted
from tests.riskengine.review.reviewing import answers, at, decided, reviewed, week

pytestmark = pytest.mark.django_db


def client_of(review: Review) -> Client:
    client = Client()
    client.force_login(review.portfolio.owner)
    return client


def post(review: Review, what: str, body: dict[str, Any], key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    path = f"/api/v1/portfolios/{review.portfolio.slug}/reviews/{review.pk}/{what}/"
    return client_of(review).post(path, body, content_type="application/json", headers=headers)


def body(review: Review, **changes: Any) -> dict[str, Any]:
    return {"answers": answers(review), "decision": "keep", "reason": "Enough."} | changes


def test_a_list_and_one_with_what_was_seen() -> None:
    review = reviewed(week())
    root = f"/api/v1/portfolios/{review.portfolio.slug}/reviews/"
    client = client_of(review)
    with assert_counted("api reviews"):
        listed = client.get(root)
    row = listed.json()["results"][0]
    assert (row["id"], row["kind"], row["state"], row["revision"]) == (review.pk, "weekly", "open", None)
    assert "snapshot" not in row
    with assert_counted("api review"):
        found = client.get(f"{root}{review.pk}/").json()
    assert found["snapshot"] == review.snapshot
    assert [each["answer"] for each in found["questions"]] == [""] * 5
    assert client_of(review).get(f"{root}?state=decided").json()["results"] == []
    assert client_of(review).get(f"{root}999/").status_code == 404


def test_deciding_once_per_key() -> None:
    review = reviewed(week())
    first = post(review, "decide", body(review, decision="halt"), "a")
    assert first.status_code == 200
    assert first.json()["decision"] == "halt"
    assert post(review, "decide", body(review, decision="halt"), "a").json() == first.json()
    again = post(review, "decide", body(review), "b")
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "ALREADY_DECIDED")
    assert ReviewAnswer.objects.count() == 5
    assert Portfolio.objects.get().state == "REDUCING"


def test_what_is_missing_is_said_beside_its_field() -> None:
    review = reviewed(week())
    missing = answers(review)
    del missing["luck"]
    answer = post(review, "decide", body(review, answers=missing))
    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["errors"]] == ["answers.luck"]
    for changes in (
        {"decision": "wait"},
        {"reason": ""},
        {"answers": []},
        {"more": 1},
        {"revision": 1},
        {"revision": True},
    ):
        assert post(review, "decide", body(review, **changes)).status_code == 400, changes
    assert Review.objects.get().state == "open"


def test_a_revision_that_is_not_after_it_is_refused() -> None:
    review = decided(reviewed(week()), "change")
    answer = post(review, "revision", {"revision": 1})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "NOT_NAMED")


def test_the_pdf_whatever_is_accepted() -> None:
    review = reviewed(week())
    path = f"/api/v1/portfolios/{review.portfolio.slug}/reviews/{review.pk}/pdf/"
    answer = client_of(review).get(path, headers={"Accept": "application/pdf"})
    assert answer["Content-Type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    assert client_of(review).get(path.replace(str(review.pk), "999")).json()["errors"][0]["code"] == "not_found"


def test_days() -> None:
    desk = week()
    run_days(now=desk.bet.wall(at("16:15", market.MONDAY.replace(day=6))))
    client = Client()
    client.force_login(desk.portfolio.owner)
    root = f"/api/v1/portfolios/{desk.portfolio.slug}/days/"
    days = [each["session_on"] for each in client.get(root).json()["results"]]
    assert days == ["2021-01-06", "2021-01-05", "2021-01-04"]
    found = client.get(f"{root}2021-01-06/").json()
    assert found["contents"]["refused"] == 2
    assert "Decided: 0 approved, 2 refused" in found["text"]
    for day in ("2021-01-10", "x"):
        assert client.get(f"{root}{day}/").status_code == 404
