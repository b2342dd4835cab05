"""The database access: what is written, what is read, and what ends a call."""

import asyncio
import json
from datetime import UTC, datetime

import pytest

from app.db import InferenceDb

pytestmark = pytest.mark.unit

RESULT = {
    "result_id": "r-1",
    "tenant_id": "t-1",
    "farm_id": "f-1",
    "barn_id": "b-1",
    "device_id": "d-1",
    "session_id": None,
    "media_id": "m-1",
    "predicted_weight_kg": 2.5,
    "confidence": 0.75,
    "model_version": "v1",
}


@pytest.fixture
def db(database):
    made = InferenceDb("postgresql://nowhere")
    made.pool = database
    return made


def test_opens_a_pool_and_closes_it(database):
    made = InferenceDb("postgresql://nowhere")
    asyncio.run(made.connect())
    asyncio.run(made.close())

    assert database.opened[0] == ("postgresql://nowhere",)
    assert database.closed


def test_closes_nothing_that_was_not_opened(database):
    asyncio.run(InferenceDb("postgresql://nowhere").close())

    assert not database.closed


def test_says_that_it_cannot_connect(database):
    database.failure = OSError("refused")

    with pytest.raises(OSError, match="refused"):
        asyncio.run(InferenceDb("postgresql://nowhere").connect())


def test_makes_its_tables_only_where_they_are_not(db, database):
    asyncio.run(db.ensure_schema())

    queries = [call.query for call in database.calls]
    assert any("inference_results" in query for query in queries)
    assert all("IF NOT EXISTS" in query for query in queries)


def test_knows_whether_its_database_answers(db, database):
    assert asyncio.run(db.ping()) is True
    database.failure = OSError("gone")
    assert asyncio.run(db.ping()) is False


def test_writes_a_result_once(db, database):
    database.answers = ["r-1"]

    assert asyncio.run(db.create_inference_result(**RESULT, metadata={"a": 1})) == "r-1"
    (row,) = database.written("inference_results")
    assert row[:2] == ("r-1", "r-1")
    assert json.loads(row[-1]) == {"a": 1}


def test_finds_the_result_that_was_there_before(db, database):
    database.answers = [None, "r-1"]

    assert asyncio.run(db.create_inference_result(**RESULT)) == "r-1"
    assert database.written("inference_results")[0][-1] is None
    assert database.calls[1].args == ("r-1",)


def test_reads_one_result(db, database):
    database.answers = [{"id": "r-1"}, None]

    assert asyncio.run(db.get_inference_result("r-1")) == {"id": "r-1"}
    assert asyncio.run(db.get_inference_result("r-2")) is None


def test_counts_the_results_of_a_tenant_and_of_nobody(db, database):
    database.answers = [3, None]

    assert asyncio.run(db.get_inference_results_count("t-1")) == 3
    assert asyncio.run(db.get_inference_results_count("t-2")) == 0
    assert asyncio.run(db.get_inference_results_count(None)) == 0
    assert [call.args for call in database.calls] == [("t-1",), ("t-2",)]


def test_tells_when_a_tenants_last_result_came(db, database):
    database.answers = [datetime(2025, 1, 30, tzinfo=UTC), None]

    last = db.get_last_inference_result_timestamp
    assert asyncio.run(last("t-1")) == "2025-01-30T00:00:00+00:00"
    assert asyncio.run(last("t-2")) is None
    assert asyncio.run(last("")) is None


def test_lays_an_event_ready_for_others(db, database):
    made = db.create_outbox_event("e-1", "t-1", "inference.completed", {"a": 1}, "trace-1")

    assert asyncio.run(made) == "e-1"
    (event,) = database.written("sync_outbox")
    assert json.loads(event[7]) == {"a": 1}
    assert event[2:6] == (None, None, None, None)
