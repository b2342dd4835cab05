"""The service over HTTP: what its callers rely on, whatever stands in front of the routes."""

import asyncio
from datetime import UTC, datetime

import pytest

from app import main
from conftest import ask, settled

pytestmark = pytest.mark.integration

JOB = {"tenant_id": "t-1", "media_id": "m-1"}
JOBS = "/api/v1/inference/jobs"


@pytest.fixture
def serve(database, neighbours):
    """Return a function that starts the application and puts requests to it, one by one."""

    def run(*requests):
        async def scenario():
            answers = []
            async with main.app.router.lifespan_context(main.app):
                for method, path, more in requests:
                    path = path(answers) if callable(path) else path
                    before = more.pop("before", None)
                    if before:
                        before()
                    answers.append(await ask(main.app, method, path, **more))
                    await settled()
            return answers

        return asyncio.run(scenario())

    return run


def failing(database):
    def fail():
        database.failure = RuntimeError("password=hunter2")

    return fail


def test_is_healthy_under_both_names(serve):
    both = serve(("GET", "/api/health", {}), ("GET", "/health", {}))

    assert [(answer.status, answer.json) for answer in both] == [(200, {"status": "healthy"})] * 2


def test_opens_its_database_and_closes_it(serve, database):
    serve(("GET", "/health", {}))

    assert database.opened
    assert database.closed


def test_is_ready_while_its_database_answers(serve, database):
    ready, not_ready = serve(
        ("GET", "/api/ready", {}), ("GET", "/api/ready", {"before": failing(database)})
    )

    assert (ready.status, ready.json["db"]) == (200, True)
    assert (not_ready.status, not_ready.json["db"]) == (503, False)


def test_follows_a_job_from_request_to_result(serve):
    made, shown = serve(
        ("POST", JOBS, {"body": {**JOB, "session_id": "s-1"}}),
        ("GET", lambda answers: f"{JOBS}/{answers[0].json['job_id']}", {}),
    )

    assert (made.status, made.json["status"]) == (200, "pending")
    assert (shown.status, shown.json["status"]) == (200, "completed")
    assert shown.json["media_id"] == "m-1"


def test_reads_names_in_camel_case_too(serve):
    body = {"tenantId": "t-1", "objectKey": "k", "sessionId": "s-1", "traceId": "trace-1"}
    _, shown = serve(
        ("POST", JOBS, {"body": body}),
        ("GET", lambda answers: f"{JOBS}/{answers[0].json['job_id']}", {}),
    )

    assert shown.json["object_key"] == "k"
    assert shown.json["session_id"] == "s-1"
    assert shown.json["trace_id"] == "trace-1"


def test_takes_the_trace_of_the_request(serve):
    _, shown = serve(
        ("POST", JOBS, {"body": JOB, "headers": {"x-trace-id": "trace-2"}}),
        ("GET", lambda answers: f"{JOBS}/{answers[0].json['job_id']}", {}),
    )

    assert shown.json["trace_id"] == "trace-2"


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"tenant_id": "t-1"}, {}),
        ({"tenant_id": "", "media_id": "m-1"}, {}),
        (JOB, {"x-tenant-id": "victim"}),
        ({"media_id": "m-1"}, {}),
    ],
)
def test_makes_no_job_of_what_it_refuses(serve, neighbours, body, headers):
    (answer,) = serve(("POST", JOBS, {"body": body, "headers": headers}))

    assert answer.status >= 400
    assert "job_id" not in answer.json
    assert neighbours.requests == []


def test_knows_no_job_that_was_not_made(serve):
    (answer,) = serve(("GET", f"{JOBS}/unknown", {}))

    assert answer.status == 404


def test_shows_the_results_of_a_session(serve, database):
    def ready():
        database.answers = [[{"id": "a", "session_id": "s-1"}]]

    asked = {"query": {"sessionId": "s-1", "limit": "5"}, "before": ready}
    (answer,) = serve(("GET", "/api/v1/inference/results", asked))

    assert answer.status == 200
    assert answer.json == {
        "session_id": "s-1",
        "count": 1,
        "results": [{"id": "a", "session_id": "s-1"}],
    }
    assert database.calls[-1].args == ("s-1", 5)


@pytest.mark.parametrize(
    "query", [{}, {"sessionId": "s", "limit": "0"}, {"sessionId": "s", "limit": "501"}]
)
def test_refuses_a_question_without_a_session_or_beyond_its_limit(serve, query):
    (answer,) = serve(("GET", "/api/v1/inference/results", {"query": query}))

    assert answer.status == 422


def test_counts_what_is_the_tenants(serve, database):
    def ready():
        database.answers = [3, datetime(2025, 1, 30, tzinfo=UTC)]

    asked = {"headers": {"x-tenant-id": "t-1"}, "before": ready}
    mine, nobodys = serve(
        ("GET", "/api/v1/inference/stats", asked), ("GET", "/api/v1/inference/stats", {})
    )

    assert mine.json["total_results"] == 3
    assert mine.json["tenant_id"] == "t-1"
    assert mine.json["last_result_at"].startswith("2025-01-30")
    assert nobodys.json == {"total_results": 0, "last_result_at": None, "tenant_id": None}


def test_names_its_model(serve):
    (answer,) = serve(("GET", "/api/v1/inference/models", {}))

    assert answer.status == 200
    assert answer.json["status"] in {"ready", "stub_mode"}
    assert answer.json["model_version"]


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/api/v1/inference/results", {"query": {"sessionId": "s-1"}}),
        ("/api/v1/inference/stats", {"headers": {"x-tenant-id": "t-1"}}),
    ],
)
def test_answers_that_it_failed(serve, database, path, asked):
    (answer,) = serve(("GET", path, {**asked, "before": failing(database)}))

    assert answer.status == 500


@pytest.mark.parametrize(
    ("path", "part"),
    [(f"{JOBS}/one", "job_service"), ("/api/v1/inference/models", "inference_service")],
)
def test_answers_that_a_part_is_gone(serve, path, part):
    (answer,) = serve(("GET", path, {"before": lambda: setattr(main.app.state, part, None)}))

    assert answer.status == 500


def test_describes_itself(serve):
    (answer,) = serve(("GET", "/api-docs/openapi.json", {}))

    assert {JOBS, "/api/v1/inference/results", "/api/ready"} <= set(answer.json["paths"])
