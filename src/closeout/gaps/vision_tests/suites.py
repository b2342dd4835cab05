"""What the vision suite is held to, the suites that are shipped, and what their files use."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.harness.quality_gate import Demand, Floors, Minimum
from closeout.harness.suite_install import Needs, Shipped, of_class

VISION_SERVICE = PurePosixPath("edge-layer/edge-vision-inference")

VISION = Demand(
    slug="vision-tests",
    minimums=tuple(
        Minimum(
            probe=f"vision-tests.{name}-service",
            criterion=criterion,
            file=f"test_{name}_service.py",
            module=f"{name}_service",
            tests=10,
        )
        for criterion, name in (("6.3", "inference"), ("6.4", "job"))
    ),
    floors=Floors(statements=60, branches=60),
    coverage_criterion="6.5",
    passing_criterion="M.5",
)

_INFERENCE: Needs = {
    "app/services/inference_service.py": (*of_class("InferenceService", "predict"), "ModelError"),
    "conftest.py": ("mock_model", "sample_image"),
}
_JOBS: Needs = {
    "app/services/job_service.py": (
        "MAX_ATTEMPTS",
        "InvalidTransitionError",
        "JobNotFoundError",
        *of_class(
            "JobService",
            "create_job",
            "start_processing",
            "complete_job",
            "fail_job",
            "retry_job",
            "get_job",
            "list_jobs",
        ),
    ),
    "conftest.py": ("clock",),
}
_HTTP: Needs = {
    "app/main.py": ("app", "settings", "logger", "SLOW_MILLIS"),
    "app/config.py": ("Settings",),
    "app/routers/inference.py": ("inference_service", "load_model"),
    "app/routers/jobs.py": ("job_service",),
}
_CORS: Needs = {
    "app/cors.py": (
        "LOCAL_ORIGINS",
        "STAGE_VARIABLES",
        "allowed_origins",
        "canonical",
        "in_production",
    )
}

_ORDER = Shipped(
    name="vision",
    service=VISION_SERVICE,
    needs={
        "tests/test_inference_service.py": _INFERENCE,
        "tests/test_job_service.py": _JOBS,
        "tests/test_api.py": _HTTP,
        "tests/test_cors.py": _CORS,
    },
    # The origin policy is what the CORS gap installs, with branches that HTTP alone never takes.
    companions=frozenset({"tests/test_cors.py"}),
)

_FIXTURES: Needs = {"conftest.py": ("ask", "database", "neighbours", "picture", "settled")}
_ASYNC_INFERENCE: Needs = {
    **_FIXTURES,
    "app/inference_service.py": of_class("InferenceService", "run_inference", "get_model_info"),
}
_POOL: Needs = {
    **_FIXTURES,
    "app/db.py": (
        *of_class(
            "InferenceDb",
            "connect",
            "close",
            "ensure_schema",
            "ping",
            "create_inference_result",
            "get_inference_result",
            "get_inference_results_by_session",
            "get_inference_results_count",
            "get_last_inference_result_timestamp",
            "create_outbox_event",
        ),
        "asyncpg",
    ),
}
_ASYNC_JOBS: Needs = {
    **_ASYNC_INFERENCE,
    **_POOL,
    "app/config.py": ("Config",),
    "app/job_service.py": of_class(
        "JobService",
        "create_job",
        "get_job",
        "get_results_by_session",
        "_process_job",
        "_fetch_media_to_tmp",
        "_attach_to_session",
    ),
}
_ROUTES: Needs = {
    **_ASYNC_JOBS,
    "app/main.py": (
        "app",
        "/api/health",
        "/health",
        "/api/ready",
        "/api/v1/inference",
        "/api-docs/openapi.json",
    ),
    "app/api/v1/endpoints.py": ("/jobs", "/jobs/{job_id}", "/results", "/stats", "/models"),
}

_ASYNC = Shipped(
    name="vision-async",
    service=VISION_SERVICE,
    needs={
        "tests/test_inference_service.py": _ASYNC_INFERENCE,
        "tests/test_job_service.py": _ASYNC_JOBS,
        "tests/test_db.py": _POOL,
        "tests/test_api.py": _ROUTES,
        "tests/test_cors.py": _CORS,
        "tests/test_seed.py": {**_POOL, "app/seed.py": ("seed_inference", "main")},
        "tests/test_progress.py": {
            "app/services/redis_service.py": of_class(
                "RedisService",
                "is_connected",
                "log_error",
                "log_progress",
                "get_progress",
                "get_errors",
                "clear_run_data",
            )
        },
        "tests/test_neighbour_clients.py": {
            "app/services/db_service.py": ("DatabaseService", "DatabaseService.health_check"),
            "app/services/image_service.py": ("ImageService", "ImageService.create_image_file"),
            "app/services/image_uploader_service.py": of_class(
                "ImageUploaderService", "upload_image"
            ),
        },
        "tests/test_plates.py": {
            "app/services/grid_builder_service.py": ("GridBuilder", "GridBuilder.draw"),
            "app/services/predictor_service.py": ("Predictor", "Predictor.predict"),
            "app/services/result_processor_service.py": of_class(
                "ResultProcessor", "count_by_row", "last_positions"
            ),
        },
    },
    # What stands beside the two services, and what nothing imports, may be missing.
    companions=frozenset(
        f"tests/test_{name}.py"
        for name in ("cors", "db", "neighbour_clients", "plates", "progress", "seed")
    ),
    borrowed={"tests/test_cors.py": "vision"},
)

SCAFFOLD = Shipped(
    name="openapi",
    service=VISION_SERVICE,
    needs={"tests/test_openapi.py": {"app/main.py": ("app",)}},
)
"""A running start where none fits: it asks what the service's own OpenAPI offers."""

SUITES = (_ORDER, _ASYNC)
"""The interface that the order has in mind first: where two fit alike, it is the one."""
