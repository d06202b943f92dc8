"""Revisions are immutable, follow one another, and can be put in force again."""

from datetime import timedelta
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from accounts.defaults import PARAMETERS, Step
from accounts.models import LadderStep, RiskProfileRevision
from accounts.selectors import (
    differences,
    history,
    ladders_of,
    latest_revision,
    numbers_of,
)
from accounts.services import (
    StaleRevisionError,
    create_profile,
    hold_limit,
    lift_holds,
    restore_revision,
    revise_profile,
)
from tests import factories

pytestmark = pytest.mark.django_db

NOW = factories.NOW
HELD = (
    "L2: daily loss limit is held at 10.0% by the day loss breaker: until that has cleared it can be lowered, but not "
    "raised."
)
LATER = NOW + timedelta(hours=1)


def revise(profile, based_on=1, ladders=None, reason="Trying it.", author=None, now=LATER, **numbers):
    return revise_profile(
        profile=profile,
        based_on=based_on,
        numbers=numbers,
        ladders=ladders or {},
        reason=reason,
        author=author,
        now=now,
    )


def test_a_change_becomes_the_next_revision_and_keeps_the_other_numbers():
    author = factories.user("maria")
    profile = factories.profile()
    first = latest_revision(profile)
    second = revise(profile, max_vix_threshold=Decimal(28), author=author)
    second.refresh_from_db()
    assert (second.number, second.author_name, second.reason, second.in_force_from) == (2, "maria", "Trying it.", LATER)
    assert numbers_of(second) == numbers_of(first) | {"max_vix_threshold": Decimal(28)}
    assert ladders_of(second) == ladders_of(first)


def test_a_changed_ladder_leaves_the_others_alone():
    profile = factories.profile()
    steps = (Step(Decimal("0.25"), Decimal("0.5")), Step(Decimal("0.5"), Decimal("0.5")))
    second = revise(profile, ladders={"partial_profit": steps})
    before = ladders_of(profile.revisions.get(number=1))
    assert ladders_of(second) == before | {"partial_profit": steps}


def test_numbers_out_of_bounds_are_refused_with_a_sentence_each_and_nothing_is_saved():
    profile = factories.profile()
    with pytest.raises(ValidationError) as refusal:
        revise(profile, max_position_size=Decimal("1.4"), max_total_positions=0)
    assert refusal.value.message_dict == {
        "max_position_size": ["Maximum bet must be between 0.1% and 100.0%; you entered 140.0%."],
        "max_total_positions": ["Open positions must be between 1 and 1,000; you entered 0."],
    }
    assert profile.revisions.count() == 1


def test_a_reason_is_required():
    with pytest.raises(ValidationError):
        revise(factories.profile(), max_vix_threshold=Decimal(28), reason="  ")


def test_saving_the_same_numbers_is_refused():
    with pytest.raises(ValidationError, match="nothing to save"):
        revise(factories.profile(), max_vix_threshold=Decimal(30))


def test_the_second_of_two_editors_is_told_and_nothing_of_theirs_is_saved():
    profile = factories.profile()
    revise(profile, max_vix_threshold=Decimal(28), author=factories.user("maria"))
    with pytest.raises(StaleRevisionError, match="maria saved revision 2 while you were editing revision 1"):
        revise(profile, max_vix_threshold=Decimal(20))
    assert latest_revision(profile).max_vix_threshold == 28


def test_restoring_puts_the_old_numbers_and_ladders_in_force_as_a_new_revision():
    profile = factories.profile()
    first = latest_revision(profile)
    revise(profile, max_vix_threshold=Decimal(28), ladders={"take_profit_late": (Step(Decimal("0.06"), Decimal(1)),)})
    third = restore_revision(profile=profile, number=1, based_on=2, reason="It was better.", author=None, now=LATER)
    third.refresh_from_db()
    assert (third.number, third.restored_from) == (3, first)
    assert (numbers_of(third), ladders_of(third)) == (numbers_of(first), ladders_of(first))
    assert differences(first, third) == ()


def test_differences_say_old_and_new_in_words():
    profile = factories.profile()
    first = latest_revision(profile)
    second = revise(
        profile, max_position_size=Decimal("0.35"), ladders={"take_profit_late": (Step(Decimal("0.06"), Decimal(1)),)}
    )
    found = [(d.label, d.unit, d.old, d.new) for d in differences(first, second)]
    assert found == [
        ("Maximum bet", "fraction", "40.0%", "35.0%"),
        ("Take-profit, late entry", "fraction by fraction", "from 5.0%: 100.0%", "from 6.0%: 100.0%"),
    ]


def test_history_shows_the_newest_first_in_three_statements(django_assert_num_queries):
    profile = factories.profile()
    for number in range(1, 5):
        revise(profile, based_on=number, max_vix_threshold=Decimal(30 - number))
    with django_assert_num_queries(2):
        entries = history(profile)
    assert [(e.revision.number, len(e.differences)) for e in entries] == [(5, 1), (4, 1), (3, 1), (2, 1), (1, 0)]


def test_a_held_limit_can_be_lowered_but_not_raised_until_it_is_lifted():
    profile = factories.profile()
    hold_limit(profile=profile, parameter="max_daily_loss", held_by="day loss breaker", now=NOW)
    hold_limit(profile=profile, parameter="max_daily_loss", held_by="day loss breaker", now=NOW)
    with pytest.raises(ValidationError, match="day loss breaker") as refusal:
        revise(profile, max_daily_loss=Decimal("0.15"))
    assert refusal.value.message_dict == {
        "max_daily_loss": [HELD],
    }
    revise(profile, max_daily_loss=Decimal("0.08"))
    assert lift_holds(profile=profile, held_by="day loss breaker", now=LATER) == 1
    revise(profile, based_on=2, max_daily_loss=Decimal("0.15"))


@pytest.mark.parametrize("table", ["accounts_riskprofilerevision", "accounts_ladderstep"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_the_database_refuses_to_change_or_delete_a_revision(table, statement):
    factories.profile()
    with pytest.raises(IntegrityError, match="is append-only"), transaction.atomic(), connection.cursor() as sql:
        sql.execute(statement.format(table))


@pytest.mark.parametrize("revised", [False, True])
def test_the_database_refuses_a_step_added_to_a_revision_that_was_written(revised):
    profile = factories.profile()
    first = latest_revision(profile)
    if revised:
        revise(profile, max_vix_threshold=Decimal(21))
    before = ladders_of(first)
    late = LadderStep(revision=first, ladder="vix_factor", number=8, threshold=Decimal(99), inclusive=True, value=1)
    for add in (lambda: late.save(force_insert=True), lambda: LadderStep.objects.bulk_create([late])):
        with pytest.raises(IntegrityError, match="no step is added later"), transaction.atomic():
            add()
    assert ladders_of(first) == before
    revise(profile, based_on=2 if revised else 1, max_vix_threshold=Decimal(22))


def test_the_database_refuses_nan_even_when_django_is_bypassed():
    revision = latest_revision(factories.profile())
    columns = [field.column for field in RiskProfileRevision._meta.concrete_fields if field.name != "id"]
    changed = {"number": "2", "max_position_size": "'NaN'"}
    statement = (
        f"INSERT INTO accounts_riskprofilerevision ({', '.join(columns)}) "
        f"SELECT {', '.join(changed.get(column, column) for column in columns)} "
        "FROM accounts_riskprofilerevision WHERE id = %s"
    )
    with pytest.raises(IntegrityError, match=r"revision_m.._(position|bet)"), transaction.atomic():
        connection.cursor().execute(statement, [revision.pk])


def test_the_database_refuses_a_second_revision_of_the_same_number():
    revision = latest_revision(factories.profile())
    with pytest.raises(IntegrityError, match="revision_profile_number"), transaction.atomic():
        replace_numbers(revision, number=1).save(force_insert=True)


def replace_numbers(revision: RiskProfileRevision, **changes) -> RiskProfileRevision:
    given = {name: getattr(revision, name) for name in PARAMETERS} | {
        "profile": revision.profile,
        "number": revision.number + 1,
        "in_force_from": LATER,
        "author_name": "test",
        "reason": "test",
    }
    return RiskProfileRevision(**given | changes)


def test_constraints_speak_the_same_sentences_as_the_services():
    revision = replace_numbers(latest_revision(factories.profile()), max_position_size=Decimal("1.4"))
    with pytest.raises(ValidationError, match=r"Maximum bet must be between 0\.1% and 100\.0%\."):
        revision.validate_constraints()
    revision = replace_numbers(revision, max_position_size=Decimal("0.1"), number=2)
    with pytest.raises(ValidationError, match=r"The minimum bet must not be more than the maximum bet\."):
        revision.validate_constraints()


def test_a_profile_of_an_unknown_system_is_refused():
    with pytest.raises(ValidationError):
        create_profile(slug="x", name="X", system="martingale", author=None, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_save_at_the_same_moment_one_wins_and_one_is_told():
    profile = factories.profile()
    start, outcomes = Barrier(2), []

    def save(threshold: int) -> None:
        try:
            start.wait()
            outcomes.append(revise(profile, max_vix_threshold=Decimal(threshold)).number)
        except StaleRevisionError:
            outcomes.append("told")
        finally:
            connection.close()

    threads = [Thread(target=save, args=[threshold]) for threshold in (21, 22)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes, key=str) == [2, "told"]
    assert LadderStep.objects.filter(revision__profile=profile).values("revision").distinct().count() == 2
