"""The service over HTTP: what its callers rely on, whatever stands in front of the routes."""

import logging

import pytest
from fastapi import HTTPException
from fastapi.testclient import TestClient

from app import main
from app.config import Settings
from app.routers import inference, jobs

FRAME = {"tenant_id": "t-1", "camera_id": "barn-1", "pixels": [[255, 250], [255, 255]]}
JOB = {"tenant_id": "t-1", "image_url": "https://camera.local/1.jpg"}


@pytest.fixture
def client():
    inference.inference_service.cache_clear()
    jobs.job_service.cache_clear()
    with TestClient(main.app, raise_server_exceptions=False) as made:
        yield made


def test_is_healthy(client):
    answer = client.get("/api/health")

    assert answer.status_code == 200
    assert answer.json()["status"] == "healthy"


def test_counts_a_bright_frame_as_a_pig(client):
    answer = client.post("/api/v1/inference", json=FRAME)

    assert answer.status_code == 200
    assert answer.json()["camera_id"] == "barn-1"
    assert [item["label"] for item in answer.json()["predictions"]] == ["pig"]


def test_counts_a_dark_frame_as_noise(client):
    answer = client.post("/api/v1/inference", json={**FRAME, "pixels": [[0, 3]]})

    assert [item["label"] for item in answer.json()["predictions"]] == ["noise"]


def test_refuses_a_ragged_frame(client):
    answer = client.post("/api/v1/inference", json={**FRAME, "pixels": [[1, 2], [3]]})

    assert answer.status_code == 400


def test_names_the_fields_that_are_wrong(client):
    answer = client.post("/api/v1/inference", json={**FRAME, "tenant_id": ""})

    assert answer.status_code == 422
    assert answer.json()["error"] == {"code": "VALIDATION_ERROR", "fields": ["body.tenant_id"]}


def test_names_the_model_that_answers(client):
    (model,) = client.get("/api/v1/inference/models").json()["models"]

    assert set(model) == {"path", "version"}


def test_follows_a_job(client):
    made = client.post("/api/v1/jobs", json=JOB)
    assert made.status_code == 201
    job_id = made.json()["id"]

    jobs.job_service().complete_job(job_id, results={"count": 10})

    assert client.get(f"/api/v1/jobs/{job_id}").json() == {
        "id": job_id,
        "status": "completed",
        "results": {"count": 10},
    }


def test_does_not_know_a_job_that_was_never_queued(client):
    assert client.get("/api/v1/jobs/none").status_code == 404


def test_keeps_the_callers_request_id_and_makes_one_where_there_is_none(client):
    given = client.get("/api/health", headers={"x-request-id": "abc"})
    made = client.get("/api/health")

    assert given.headers["x-request-id"] == "abc"
    assert len(made.headers["x-request-id"]) == 36


def test_warns_of_a_slow_answer(client, monkeypatch, caplog):
    monkeypatch.setattr(main, "SLOW_MILLIS", -1.0)

    with caplog.at_level(logging.WARNING, logger=main.logger.name):
        client.get("/api/health")

    assert "GET /api/health 200" in caplog.text


def test_boots_without_a_model_in_tests(monkeypatch):
    monkeypatch.setattr(main.settings, "testing", True)
    if hasattr(main.app.state, "model"):
        del main.app.state.model

    with TestClient(main.app) as client:
        assert client.get("/api/health").status_code == 200
        assert not hasattr(main.app.state, "model")


def test_says_where_the_weights_are_missing(tmp_path, caplog):
    weights = tmp_path / "model.onnx"

    with caplog.at_level(logging.WARNING):
        inference.load_model(str(weights))
        weights.touch()
        inference.load_model(str(weights))

    assert caplog.text.count("no weights") == 1


def test_reads_its_settings_from_the_environment(monkeypatch):
    monkeypatch.setenv("APP_PORT", "6000")
    monkeypatch.setenv("TESTING", "Yes")

    made = Settings()

    assert (made.port, made.testing) == (6000, True)


def test_tells_nothing_of_an_unexpected_failure(client, monkeypatch):
    def broken():
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(inference, "inference_service", broken)

    answer = client.post("/api/v1/inference", json=FRAME)

    assert answer.status_code == 500
    assert "hunter2" not in answer.text


def test_tells_which_failure_it_foresaw(client, monkeypatch):
    failure = {
        "code": "MODEL_LOST",
        "traceId": "t-17",
        "retry": True,
        "message": "409: the model is gone",
        "attempts": 3,
        "cause": {"type": "timeout", "reason": "no answer"},
    }

    def gone():
        raise HTTPException(status_code=500, detail=failure)

    monkeypatch.setattr(inference, "inference_service", gone)

    answer = client.post("/api/v1/inference", json=FRAME)

    told = answer.json()["detail"]
    assert answer.status_code == 500
    assert (told["code"], told["traceId"], told["retry"]) == ("MODEL_LOST", "t-17", True)
    assert told["message"] == "409: the model is gone"
    assert told["cause"]["type"] == "timeout"


def test_lets_a_dashboard_read_its_answers(client):
    answer = client.get("/api/health", headers={"origin": "http://localhost:5135"})

    assert answer.headers["access-control-allow-origin"] == "http://localhost:5135"
