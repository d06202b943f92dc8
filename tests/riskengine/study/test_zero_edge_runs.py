"""The base rate of an account's own exits: asked by what they are, computed once, kept, of the entries it makes."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from accounts.services import revise_profile
from riskengine.loading.limits import default_limits
from riskengine.loading.revisions import terms_in_force
from riskengine.models import Projection, ZeroEdgeRun
from riskengine.models.projection import FIGURES
from riskengine.services.study import zero_edge
from riskengine.services.study.projections import luck
from riskengine.services.study.zero_edge import answers, compute_missing, no_edge, questions
from tests import factories
from tests.riskengine.luck import base_rates

pytestmark = pytest.mark.django_db

ZERO = default_limits("smart-0dte")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zero_edge, "PATHS", 1_000)
    monkeypatch.setattr(zero_edge, "SAMPLE", 100)


@pytest.mark.usefixtures("quick")
def test_what_is_missing_is_computed_once_a_few_at_a_time_and_kept() -> None:
    of = factories.portfolio()
    now = timezone.now()
    assert answers(of.system, ZERO) == {}
    assert compute_missing(now=now) == 1
    morning = answers(of.system, ZERO)["morning"].run
    assert (morning.paths, len(morning.sample)) == (1_000, 100)
    assert 0.5 < morning.win_rate < 0.65
    assert abs(morning.expectancy_before_costs) < 4 * morning.expectancy_before_costs_error
    assert morning.question["stop_fraction"] == 0.25
    assert compute_missing(now=now, most=9) == 2
    assert compute_missing(now=now, most=9) == 0
    assert list(answers(of.system, ZERO)) == ["morning", "midday", "late"]
    zero_edge.compute(questions(of.system, ZERO)[0], ZERO, now=now)
    assert ZeroEdgeRun.objects.count() == 3


@pytest.mark.usefixtures("quick")
def test_other_exits_are_another_question() -> None:
    of = factories.portfolio()
    compute_missing(now=timezone.now(), most=9)
    revise_profile(
        profile=of.profile,
        based_on=1,
        numbers={"stop_fraction": Decimal("0.30")},
        ladders={},
        reason="A wider stop.",
        author=of.owner,
        now=timezone.now(),
    )
    assert compute_missing(now=timezone.now(), most=9) == 3
    assert ZeroEdgeRun.objects.count() == 6


@pytest.mark.usefixtures("quick")
def test_exits_that_close_before_an_entry_sell_it_at_once_and_stop_no_other() -> None:
    of = factories.portfolio()
    revise_profile(
        profile=of.profile,
        based_on=1,
        numbers={"forced_close_minutes": 390, "stop_fraction": Decimal("0.125")},
        ladders={},
        reason="Nothing is held.",
        author=of.owner,
        now=timezone.now(),
    )
    assert compute_missing(now=timezone.now(), most=9) == 3
    assert no_edge(of.system, terms_in_force(of.profile_id).limits, []).basis.endswith("under a stop of 12.5%")
    for run in ZeroEdgeRun.objects.all():
        assert run.expectancy == pytest.approx(-0.01, abs=0.001)  # the spread, twice
        assert run.expectancy_before_costs == 0.0
    assert compute_missing(now=timezone.now(), most=9) == 0


@pytest.mark.usefixtures("quick")
def test_a_seven_day_account_has_its_own() -> None:
    of = factories.portfolio(of=factories.profile("mag7-7dte"), cash=Decimal(100_000))
    assert compute_missing(now=timezone.now(), most=9) == 1
    found = no_edge(of.system, default_limits("mag7-7dte"), ["seven_day"])
    assert found is not None
    assert 0.35 < found.win_rate < 0.5
    assert "a week before it expires" in found.basis
    assert "20%" in found.basis


def test_accounts_that_are_off_are_not_asked_for() -> None:
    of = factories.portfolio(mode="off")
    assert compute_missing(now=timezone.now()) == 0
    assert luck(of, now=timezone.now())["bands"][0]["missing"] == "not computed while it is off"


@pytest.mark.usefixtures("quick")
def test_an_account_that_was_stepped_back_to_off_still_learns_whether_its_record_is_luck() -> None:
    of = factories.portfolio(mode="off")
    factories.position(of)
    assert compute_missing(now=timezone.now()) == 1


def test_the_base_rate_is_that_of_the_entries_that_were_made() -> None:
    of = factories.portfolio()
    assert no_edge(of.system, ZERO, []) is None
    morning, _, late = base_rates(of)
    assert (morning.entry, late.entry) == ("morning", "late")
    found = no_edge(of.system, ZERO, ["late", "morning", "adopted", "late"])
    assert found is not None
    assert found.which.tolist() == [1, 0, 0, 1]
    assert found.gains.shape == (2, 100)
    assert (found.win_rate, found.average_loss) == (pytest.approx(0.58), pytest.approx(0.204))
    first = no_edge(of.system, ZERO, [])
    assert first is not None
    assert first.which.tolist() == []
    assert first.basis == "entered at 09:45 and held under a stop of 25%"


def test_a_run_is_never_changed() -> None:
    (run, *_) = base_rates(factories.portfolio())
    with pytest.raises(DatabaseError), transaction.atomic():
        ZeroEdgeRun.objects.filter(pk=run.pk).update(win_rate=0.9)


def test_projections_come_with_the_systems_and_another_one_is_entered_beside_them() -> None:
    owner = factories.user("chief", is_staff=True)
    owner.user_permissions.set(Permission.objects.filter(codename__in=["add_projection", "view_projection"]))
    client = Client()
    client.force_login(owner)
    (before,) = Projection.objects.filter(system="smart-0dte")
    assert (before.win_rate_low, before.annual_return_high) == (Decimal("0.60"), Decimal("0.90"))
    address = "/admin/riskengine/projection/add/"
    page = client.get(f"{address}?system=mag7-7dte").content.decode()
    assert 'value="1.7000"' in page
    given = {f"{name}_{end}": "0.5" for name in FIGURES for end in ("low", "high")}
    given |= {"system": "smart-0dte", "source": "Our own walk-forward.", "reason": "A year later."}
    refused = client.post(address, given | {"win_rate_low": "0.6"})
    assert "From is at most to." in refused.content.decode()
    assert client.post(address, given).status_code == 302
    entered = Projection.objects.filter(system="smart-0dte").latest("id")
    assert (entered.author_name, entered.sharpe_low) == ("chief", Decimal("0.5"))
    assert entered.in_force_from is not None
    assert client.get(f"/admin/riskengine/projection/{entered.pk}/change/").status_code == 200
    with pytest.raises(DatabaseError), transaction.atomic():
        Projection.objects.filter(pk=entered.pk).update(win_rate_low=0)
