"""The job service: a job from its request to its result, with every way it can end."""

import asyncio
import json
import os
import tempfile
from datetime import datetime
from urllib.error import URLError

import pytest

from app.config import Config
from app.db import InferenceDb
from app.inference_service import InferenceService
from app.job_service import JobService
from conftest import settled

pytestmark = pytest.mark.unit

PLACE = {"tenant_id": "t-1", "farm_id": "f-1", "barn_id": "b-1", "device_id": "d-1"}


@pytest.fixture
def service(database, neighbours, monkeypatch, tmp_path):
    monkeypatch.setattr(Config, "MEDIA_STORE_URL", "http://media:1")
    monkeypatch.setattr(Config, "WEIGHVISION_SESSION_URL", "http://sessions:2")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    db = InferenceDb("postgresql://nowhere")
    db.pool = database
    return JobService(db, InferenceService(Config()))


def done(service, **more):
    """Make a job, wait for its end, and return it with the status that it began with."""

    async def scenario():
        job = await service.create_job(**PLACE, **more)
        begun = job["status"]
        await settled()
        return begun, await service.get_job(job["job_id"])

    return asyncio.run(scenario())


def test_begins_as_pending_and_ends_as_completed(service, database):
    database.answers = ["result-1"]
    begun, job = done(service, media_id="m-1")

    assert (begun, job["status"]) == ("pending", "completed")
    assert job["result_id"] == "result-1"
    assert "error" not in job


def test_keeps_what_it_was_asked_for(service):
    _, job = done(service, media_id="m-1", session_id="s-1", trace_id="trace-1")

    asked = {**PLACE, "media_id": "m-1", "session_id": "s-1", "trace_id": "trace-1"}
    assert asked.items() <= job.items()
    assert job["object_key"] is None
    assert datetime.fromisoformat(job["created_at"]) <= datetime.fromisoformat(job["updated_at"])


def test_gives_every_job_a_number_and_a_trace_of_its_own(service):
    _, first = done(service, media_id="m-1")
    _, second = done(service, media_id="m-1")

    assert len({first["job_id"], second["job_id"], first["trace_id"], second["trace_id"]}) == 4


@pytest.mark.parametrize("nothing", [{}, {"media_id": ""}, {"media_id": None, "object_key": ""}])
def test_wants_a_picture(service, neighbours, nothing):
    with pytest.raises(ValueError, match="media_id or object_key"):
        done(service, **nothing)

    assert service.jobs == {}
    assert neighbours.requests == []


def test_fetches_the_picture_by_its_number_in_the_tenants_name(service, neighbours):
    _, job = done(service, media_id="m-1", trace_id="trace-1")

    (request,) = neighbours.asked("GET")
    assert request.full_url == "http://media:1/api/v1/media/objects/m-1"
    assert request.get_header("X-tenant-id") == "t-1"
    assert request.get_header("X-request-id") == job["job_id"]
    assert request.get_header("X-trace-id") == "trace-1"


def test_fetches_the_picture_by_its_key_where_it_has_no_number(service, neighbours):
    done(service, object_key="farm 1/a&b.jpg")

    (request,) = neighbours.asked("GET")
    path, _, query = request.full_url.partition("?")
    assert path == "http://media:1/api/v1/media/objects/by-key"
    assert query == "object_key=farm%201/a%26b.jpg"


def test_weighs_what_it_fetched_and_leaves_nothing_on_the_disk(
    service, neighbours, database, tmp_path
):
    neighbours.media = b"x" * 321
    done(service, media_id="m-1")

    (row,) = database.written("inference_results")
    assert 3.21 in row
    assert list(tmp_path.iterdir()) == []


def test_writes_the_result_under_the_jobs_number(service, database):
    _, job = done(service, media_id="m-1", session_id="s-1")

    (row,) = database.written("inference_results")
    assert row[0] == job["job_id"]
    assert row[2:8] == ("t-1", "f-1", "b-1", "d-1", "s-1", "m-1")
    assert row[8:11] == (2.5, 0.75, Config.MODEL_VERSION)
    noted = {"job_id": job["job_id"], "media_id": "m-1", "session_id": "s-1"}
    assert noted.items() <= json.loads(row[11]).items()


def test_tells_others_of_the_result(service, database):
    database.answers = ["result-1"]
    _, job = done(service, media_id="m-1", session_id="s-1", trace_id="trace-1")

    (event,) = database.written("sync_outbox")
    assert event[0] == job["job_id"]
    assert event[1:7] == ("t-1", "f-1", "b-1", "d-1", "s-1", "inference.completed")
    assert event[8] == "trace-1"
    payload = json.loads(event[7])
    assert datetime.fromisoformat(payload.pop("occurred_at"))
    assert payload == {
        "inference_result_id": "result-1",
        "media_id": "m-1",
        "session_id": "s-1",
        "predicted_weight_kg": 2.5,
        "confidence": 0.75,
        "model_version": Config.MODEL_VERSION,
        **PLACE,
    }


def test_names_no_place_that_is_not_known(service, database):
    async def scenario():
        await service.create_job("t-1", "", "", "", object_key="k")
        await settled()

    asyncio.run(scenario())

    payload = json.loads(database.written("sync_outbox")[0][7])
    assert payload["farm_id"] is payload["barn_id"] is payload["device_id"] is None
    assert payload["media_id"] is None


def test_attaches_the_result_to_its_session(service, neighbours, database):
    database.answers = ["result-1"]
    _, job = done(service, media_id="m-1", session_id="s-1", trace_id="trace-1")

    (request,) = neighbours.asked("POST")
    assert request.full_url == "http://sessions:2/api/v1/weighvision/sessions/s-1/attach"
    assert json.loads(request.data) == {"media_id": "m-1", "inference_result_id": "result-1"}
    assert request.get_header("Content-type") == "application/json"
    assert request.get_header("X-tenant-id") == "t-1"
    assert request.get_header("X-request-id") == job["job_id"]
    assert request.get_header("X-trace-id") == "trace-1"


def test_attaches_nothing_without_a_session(service, neighbours):
    _, job = done(service, media_id="m-1")

    assert job["status"] == "completed"
    assert neighbours.asked("POST") == []


def test_is_completed_though_the_session_cannot_be_told(service, neighbours):
    neighbours.failures["POST"] = URLError("refused")
    _, job = done(service, media_id="m-1", session_id="s-1")

    assert job["status"] == "completed"


def test_fails_where_the_picture_cannot_be_had(service, neighbours, database):
    neighbours.failures["GET"] = URLError("no route")
    _, job = done(service, media_id="m-1")

    assert job["status"] == "failed"
    assert "no route" in job["error"]
    assert database.calls == []


def test_fails_where_the_result_cannot_be_kept(service, database, neighbours, tmp_path):
    database.failure = OSError("the database is gone")
    _, job = done(service, media_id="m-1", session_id="s-1")

    assert job["status"] == "failed"
    assert "result_id" not in job
    assert neighbours.asked("POST") == []
    assert list(tmp_path.iterdir()) == []


def test_fails_where_the_model_does(service, tmp_path):
    async def broken(path, metadata=None):
        assert os.path.exists(path)
        raise RuntimeError("the model is gone")

    service.inference_service.run_inference = broken
    _, job = done(service, media_id="m-1")

    assert (job["status"], job["error"]) == ("failed", "the model is gone")
    assert list(tmp_path.iterdir()) == []


def test_tells_the_log_how_a_job_ended(service, neighbours, database, caplog):
    database.answers = ["result-1"]
    with caplog.at_level("INFO"):
        _, completed = done(service, media_id="m-1", trace_id="trace-1")
        neighbours.failures["GET"] = URLError("no route")
        _, failed = done(service, media_id="m-1")

    ended = {job["job_id"]: [] for job in (completed, failed)}
    for record in caplog.records:
        ended.get(getattr(record, "job_id", None), []).append(record)
    (good,), (bad,) = ended.values()
    assert (good.levelname, good.result_id, good.trace_id) == ("INFO", "result-1", "trace-1")
    assert "complet" in good.getMessage()
    assert bad.levelname == "ERROR"
    assert "fail" in bad.getMessage()
    assert "no route" in bad.error
    assert bad.exc_info[0] is URLError


def test_says_that_it_is_at_work(service):
    seen = []

    async def watched(path, metadata=None):
        seen.extend(job["status"] for job in service.jobs.values())
        return {"predicted_weight_kg": 1.0, "confidence": 0.5, "model_version": "v"}

    service.inference_service.run_inference = watched
    done(service, media_id="m-1")

    assert seen == ["processing"]


def test_goes_on_where_a_job_was_forgotten(service, neighbours):
    assert asyncio.run(service._process_job("unknown")) is None
    assert neighbours.requests == []


def test_wants_a_tenant_before_it_fetches(service, neighbours):
    with pytest.raises(ValueError, match="tenant_id"):
        asyncio.run(service._fetch_media_to_tmp({"media_id": "m-1"}))

    assert neighbours.requests == []


def test_attaches_nothing_in_nobodys_name(service, neighbours):
    asyncio.run(service._attach_to_session({"session_id": "s-1"}, "result-1"))

    assert neighbours.requests == []


def test_knows_no_job_that_was_not_made(service):
    assert asyncio.run(service.get_job("unknown")) is None


def test_shows_the_results_of_a_session(service, database):
    database.answers = [[{"id": "a"}, {"id": "b"}], []]

    assert asyncio.run(service.get_results_by_session("s-1", 5)) == [{"id": "a"}, {"id": "b"}]
    assert asyncio.run(service.get_results_by_session("s-2")) == []
    assert [call.args for call in database.calls] == [("s-1", 5), ("s-2", 100)]
