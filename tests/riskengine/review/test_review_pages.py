"""The pages of reviews and days without a browser: who sees them, what is kept of what was typed, what an act does."""

from html import unescape

import pytest
from django.test import Client

from positions.models import Portfolio
from riskengine.models import Review, ReviewComment
from riskengine.services.review.day import run_days
from tests import factories
from tests.riskengine import market
from tests.riskengine.counts import assert_counted
from tests.riskengine.review.reviewing import answers, at, decided, look, reviewed, trouble, week

pytestmark = pytest.mark.django_db


def signed_in(user: object) -> Client:
    client = Client()
    client.force_login(user)
    return client


def shown(answer: object) -> str:
    return " ".join(unescape(answer.content.decode()).split())  # type: ignore[attr-defined]


def asked(review: Review, **changes: object) -> dict[str, object]:
    given = {f"answer_{code}": text for code, text in answers(review).items()}
    return given | {"decision": "keep", "reason": "Nothing speaks against it."} | changes


def test_a_stranger_finds_nothing_and_who_is_not_signed_in_signs_in() -> None:
    desk = week()
    review = reviewed(desk)
    run_days(now=desk.bet.wall(at("17:00")))
    root = f"/portfolios/{desk.portfolio.slug}"
    one = f"{root}/reviews/{review.pk}/"
    stranger = signed_in(factories.user("stranger"))
    for address in (f"{root}/reviews/", one, f"{one}pdf/", f"{root}/days/2021-01-08/"):
        assert Client().get(address).status_code == 302, address
        assert stranger.get(address).status_code == 404, address
        assert signed_in(desk.portfolio.owner).get(address).status_code == 200, address
    for act in ("comment/", "revision/"):
        assert stranger.post(f"{one}{act}").status_code == 404
        assert Client().post(f"{one}{act}").status_code == 302
    assert stranger.post(one).status_code == 404


def test_staff_without_the_permission_read_and_do_not_decide() -> None:
    review = reviewed(week())
    clerk = signed_in(factories.user("clerk", is_staff=True))
    address = f"/portfolios/{review.portfolio.slug}/reviews/{review.pk}/"
    page = shown(clerk.get(address))
    assert "Decide, in my name" not in page
    assert "Keep it" not in page
    assert clerk.post(address, asked(review)).status_code == 422
    assert clerk.post(f"{address}comment/", {"text": "x"}).status_code == 403
    assert Review.objects.get().state == "open"


def test_the_list_has_what_waits_first() -> None:
    desk = week()
    decided(reviewed(desk))
    look(desk, "17:00", market.MONDAY.replace(day=15))
    page = shown(signed_in(desk.portfolio.owner).get(f"/portfolios/{desk.portfolio.slug}/reviews/"))
    assert page.index("Week of 11 Jan 2021") < page.index("Week of 4 Jan 2021")
    assert "◆ waits for you" in page
    assert "Keep: nothing changes" in page


def test_numbers_stand_beside_the_questions() -> None:
    desk = week()
    trouble(desk)
    review = reviewed(desk)
    page = shown(signed_in(desk.portfolio.owner).get(f"/portfolios/{desk.portfolio.slug}/reviews/{review.pk}/"))
    assert "2 closed trades: this record cannot be told from luck." in page
    assert "95% interval" in page
    assert "VIX 41.20 is above the limit of 40." in page
    assert 'class="equity-curve"' in page
    assert "opens nothing any more and takes back what would still buy" in page
    assert "review.css" in page


def test_what_was_typed_stays_where_something_is_missing() -> None:
    review = reviewed(week())
    owner = signed_in(review.portfolio.owner)
    address = f"/portfolios/{review.portfolio.slug}/reviews/{review.pk}/"
    answer = owner.post(address, asked(review, answer_luck="", decision="", answer_refused="<b>typed</b> at length"))
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "&lt;b&gt;typed&lt;/b&gt; at length" in page
    assert "Answer it: what is not answered cannot be decided on." in page
    assert "Decide: keep, change or halt." in page
    assert owner.post(address, asked(review, reason="x" * 4_001)).status_code == 422
    assert Review.objects.get().state == "open"


def test_deciding_and_reading_it_afterwards() -> None:
    review = reviewed(week())
    owner = signed_in(review.portfolio.owner)
    address = f"/portfolios/{review.portfolio.slug}/reviews/{review.pk}/"
    assert owner.post(address, asked(review, decision="halt", revision="")).status_code == 302
    assert Portfolio.objects.get().state == "REDUCING"
    page = shown(owner.get(address))
    assert "Halt: no entries." in page
    assert "Nothing speaks against it." in page
    assert "Decide, in my name" not in page
    again = owner.post(address, asked(review))
    assert again.status_code == 422
    assert "has decided this review already" in shown(again)


def test_a_change_to_follow_is_shown_until_it_is_named() -> None:
    review = reviewed(week())
    owner = signed_in(review.portfolio.owner)
    address = f"/portfolios/{review.portfolio.slug}/reviews/{review.pk}/"
    owner.post(address, asked(review, decision="change"))
    assert "The revision is still to follow." in shown(owner.get(address))
    for number in ("", "x", "1", "99999999999"):
        assert owner.post(f"{address}revision/", {"revision": number}).status_code == 302
    assert Review.objects.get().revision is None


def test_comments_and_the_pdf() -> None:
    review = reviewed(week())
    owner = signed_in(review.portfolio.owner)
    address = f"/portfolios/{review.portfolio.slug}/reviews/{review.pk}/"
    assert owner.post(f"{address}comment/", {"text": "Seen."})["Location"].endswith("#comments")
    owner.post(f"{address}comment/", {"text": " "})
    assert ReviewComment.objects.get().text == "Seen."
    answer = owner.get(f"{address}pdf/")
    assert answer["Content-Type"] == "application/pdf"
    assert f'filename="review-{review.portfolio.slug}-weekly-2021-01-04.pdf"' in answer["Content-Disposition"]
    assert answer.content.startswith(b"%PDF-")


def test_a_day_as_a_page_and_as_it_is_sent() -> None:
    desk = week()
    trouble(desk)
    run_days(now=desk.bet.wall(at("16:15", market.MONDAY.replace(day=6))))
    owner = signed_in(desk.portfolio.owner)
    root = f"/portfolios/{desk.portfolio.slug}/days"
    page = shown(owner.get(f"{root}/2021-01-06/"))
    assert "refused, MAX_VIX" in page
    assert "VIX 41.20 is above the limit of 40." in page
    assert "L2: daily loss limit, tripped." in page
    assert "← Tue 5 Jan 2021" in page
    text = owner.get(f"{root}/2021-01-06/?format=text")
    assert text["Content-Type"] == "text/plain; charset=utf-8"
    assert "Decided: 0 approved, 2 refused" in text.content.decode()
    for day in ("2021-01-09", "yesterday", "2021-13-01"):
        assert owner.get(f"{root}/{day}/").status_code == 404


def test_an_account_without_any() -> None:
    desk = week()
    owner = signed_in(desk.portfolio.owner)
    page = shown(owner.get(f"/portfolios/{desk.portfolio.slug}/reviews/"))
    assert "No review yet." in page
    assert "No day is reported yet" in page
    assert owner.get(f"/portfolios/{desk.portfolio.slug}/reviews/999/").status_code == 404


def test_pages_take_so_many_statements() -> None:
    review = reviewed(week())
    owner = signed_in(review.portfolio.owner)
    with assert_counted("page reviews"):
        owner.get(f"/portfolios/{review.portfolio.slug}/reviews/")
    with assert_counted("page review"):
        owner.get(f"/portfolios/{review.portfolio.slug}/reviews/{review.pk}/")
