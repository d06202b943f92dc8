"""Columns by COPY and by a prepared statement: exact, in order, and never shifted by a NULL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from riskengine.loading import copying
from riskengine.loading.book import instant, microseconds
from riskengine.loading.copying import BIGINT, BOOLEAN, INSTANT, INTEGER, MICROS, NEVER, Fields, copy_columns

pytestmark = pytest.mark.django_db

ROW = Fields({"a": BIGINT, "b": INTEGER, "c": BOOLEAN, "d": INSTANT, "e": MICROS})
WHOLE = Fields({"x": BIGINT})


@pytest.fixture(autouse=True, params=["many", "few", "pooled"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How it is asked, which changes no answer."""
    monkeypatch.setattr(copying, "FEW", -1 if request.param == "many" else 10_000)
    monkeypatch.setitem(connection.settings_dict, "DISABLE_SERVER_SIDE_CURSORS", request.param == "pooled")
    return str(request.param)


def test_every_kind_arrives_as_what_it_is() -> None:
    at = datetime(2021, 1, 4, 15, 42, 7, 123456, tzinfo=UTC)
    columns = copy_columns(
        "SELECT * FROM (VALUES (7, 8, true, %(at)s::timestamptz, 44.4), (9, -1, false, NULL, NULL)) AS rows",
        ROW,
        {"at": at},
    )
    assert columns["a"].tolist() == [7, 9]
    assert columns["b"].tolist() == [8, -1]
    assert columns["c"].tolist() == [True, False]
    assert (instant(int(columns["d"][0])), int(columns["d"][1])) == (at, NEVER)
    assert columns["e"][0] == 44.4
    assert np.isnan(columns["e"][1])
    assert microseconds(at) == columns["d"][0]


def test_no_row_is_no_error() -> None:
    columns = copy_columns("SELECT 1, 1, true, now(), 1.0 WHERE false", ROW, {})
    assert all(len(column) == 0 for column in columns.values())


@pytest.mark.parametrize("rows", ["(1, NULL)", "(1, NULL), (NULL, 2)", "(1, 2), (3, NULL)"])
def test_a_null_where_none_may_be_is_refused(rows: str) -> None:
    with pytest.raises(ValueError, match="is NULL"):
        copy_columns(f"SELECT x, y FROM (VALUES {rows}) AS rows (x, y)", Fields({"x": BIGINT, "y": INTEGER}), {})


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.decimals(0, 1_000_000, places=6), min_size=1, max_size=50))
def test_a_decimal_becomes_the_float_nearest_to_it(prices: list[Decimal]) -> None:
    columns = copy_columns("SELECT * FROM unnest(%(prices)s::numeric[])", Fields({"price": MICROS}), {"prices": prices})
    assert columns["price"].tolist() == [float(price) for price in prices]


def prepared() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        return int(cursor.fetchone()[0])


def test_what_is_asked_of_few_is_planned_once(way: str) -> None:
    question = f"SELECT x * 2 FROM unnest(%(of)s::bigint[]) AS x -- {way}\n"
    before = prepared()
    answers = [copy_columns(question, WHOLE, {"of": [at, at + 1]})["x"].tolist() for at in range(3)]
    assert answers == [[0, 2], [2, 4], [4, 6]]
    assert prepared() == before + (way == "few")


def test_another_connection_prepares_its_own() -> None:
    question = "SELECT x FROM unnest(%(of)s::bigint[]) AS x"

    def asked_of_another() -> list[int]:
        try:
            return copy_columns(question, WHOLE, {"of": [2]})["x"].tolist()
        finally:
            connection.close()

    assert copy_columns(question, WHOLE, {"of": [1]})["x"].tolist() == [1]
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asked_of_another).result() == [2]
