"""Who is second at a row that is being changed gets a sentence and may try again: no fault of the server, nothing done.

A second connection holds the row for longer than anybody waits for a lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg2
import pytest
from django.db import connection
from django.test import Client

from accounts.models import User
from positions.models import Mode, Portfolio
from riskengine.models import Breaker, Review, RolloutStep
from riskengine.services.review.deciding import AlreadyDecided, link_revision
from tests import factories
from tests.riskengine import threads
from tests.riskengine.review.reviewing import answers, decided, reviewed, trouble, week
from tests.riskengine.review.test_deciding import manager, revise

pytestmark = pytest.mark.django_db(transaction=True)
CHANGED = "is being changed just now. Nothing was done; send it again."
DECIDED = "Somebody is deciding this review just now. Nothing was kept; look again."


@contextmanager
def held(table: str, pk: int) -> Iterator[None]:
    other = psycopg2.connect(**{**connection.get_connection_params(), "cursor_factory": None})
    try:
        other.cursor().execute(f"SELECT 1 FROM {table} WHERE id = %s FOR UPDATE", [pk])
        yield
    finally:
        other.close()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def is_busy(answer: Any, sentence: str) -> bool:
    error = answer.json()["errors"][0]
    return (answer.status_code, error["code"]) == (409, "busy") and error["message"].endswith(sentence)


def test_the_second_decider_of_a_review_keeps_what_he_typed_and_a_program_sends_it_again() -> None:
    desk = week()
    review = reviewed(desk)
    client = signed_in(review.portfolio.owner)
    page = f"/portfolios/{review.portfolio.slug}/reviews/{review.pk}/"
    typed = {f"answer_{code}": f"About {code}." for code in answers(review)}
    typed |= {"decision": "keep", "reason": "All is well."}
    body = {"answers": answers(review), "decision": "keep", "reason": "All is well."}
    key = {"content_type": "application/json", "headers": {"Idempotency-Key": "once"}}
    with held("riskengine_review", review.pk):
        answer = client.post(page, typed)
        shown = answer.content.decode()
        assert answer.status_code == 409
        assert DECIDED in shown
        assert "About luck." in shown
        assert is_busy(client.post(f"/api/v1{page}decide/", body, **key), DECIDED)
    assert Review.objects.get().state == "open"
    assert client.post(f"/api/v1{page}decide/", body, **key).status_code == 200, "the key is free for the same request"


def test_of_many_who_decide_at_once_one_does() -> None:
    review = reviewed(week())
    owner, other = review.portfolio.owner, manager()

    def decides(decision: str, by: User) -> int:
        mine = Review.objects.select_related("portfolio__profile", "portfolio__clock").get(pk=review.pk)
        try:
            return bool(decided(mine, decision, actor=by))
        except AlreadyDecided:
            return 0

    calls = [("halt", owner), ("keep", other), ("change", other), ("keep", owner)]
    assert sorted(threads.at_once(*[partial(decides, *each) for each in calls])) == [0, 0, 0, 1]
    kept = Review.objects.get()
    assert kept.answers.count() == 5
    assert (Portfolio.objects.get().state == "REDUCING") == (kept.decision == "halt")


def test_who_names_a_revision_second_is_told() -> None:
    desk = week()
    review = decided(reviewed(desk), "change")
    number = revise(desk, review)
    client = signed_in(review.portfolio.owner)
    page = f"/portfolios/{review.portfolio.slug}/reviews/{review.pk}/"
    with held("riskengine_review", review.pk):
        assert DECIDED in client.post(f"{page}revision/", {"revision": number}, follow=True).content.decode()
        named = client.post(f"/api/v1{page}revision/", {"revision": number}, content_type="application/json")
        assert is_busy(named, DECIDED)
    assert (
        link_revision(
            review=review, revision=number, actor=review.portfolio.owner, now=review.created_at
        ).revision.number
        == number
    )


def test_who_signs_a_step_while_the_account_is_changed_is_told() -> None:
    portfolio = week().portfolio
    client = signed_in(manager())
    page = f"/portfolios/{portfolio.slug}/rollout/"
    signed = {"from_mode": "paper", "to_mode": "off", "name": portfolio.name, "reason": "A new feed."}
    with held("positions_portfolio", portfolio.pk):
        assert CHANGED in client.post(f"{page}sign/", signed, follow=True).content.decode()
        assert is_busy(client.post(f"/api/v1{page}step/", signed, content_type="application/json"), CHANGED)
    assert Portfolio.objects.get().mode == Mode.PAPER
    assert not RolloutStep.objects.exists()


def test_who_clears_a_breaker_or_lets_an_account_go_on_while_it_is_changed_is_told() -> None:
    desk = week()
    trouble(desk)
    portfolio, breaker = desk.portfolio, Breaker.objects.get()
    Breaker.objects.update(state="tripped", tripped_at=factories.NOW)
    Portfolio.objects.update(state="REDUCING")
    client = signed_in(manager())
    root = f"/portfolios/{portfolio.slug}"
    acts = {
        f"/breakers/{breaker.pk}/clear/": f"{root}/breakers/{breaker.pk}/clear/",
        f"{root}/go-on/": f"{root}/reactivate/",
    }
    with held("positions_portfolio", portfolio.pk):
        for page, program in acts.items():
            answer = client.post(page, {"reason": "Looked at."})
            assert (answer.status_code, CHANGED in answer.content.decode()) == (409, True), page
            body = {"reason": "Looked at."}
            assert is_busy(client.post(f"/api/v1{program}", body, content_type="application/json"), CHANGED), program
    assert Breaker.objects.get().state == "tripped"
