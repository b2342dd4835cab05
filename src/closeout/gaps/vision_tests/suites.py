"""The vision suites that are shipped, and what each of their files uses of a service."""

from __future__ import annotations

from closeout.gaps.vision_tests.demand import VISION_SERVICE
from closeout.harness.suite_install import Needs, Shipped

_INFERENCE: Needs = {
    "app/services/inference_service.py": (
        "InferenceService",
        "InferenceService.predict",
        "ModelError",
    ),
    "conftest.py": ("mock_model", "sample_image"),
}
_JOBS: Needs = {
    "app/services/job_service.py": (
        "MAX_ATTEMPTS",
        "InvalidTransitionError",
        "JobNotFoundError",
        "JobService",
        "JobService.create_job",
        "JobService.start_processing",
        "JobService.complete_job",
        "JobService.fail_job",
        "JobService.retry_job",
        "JobService.get_job",
        "JobService.list_jobs",
    ),
    "conftest.py": ("clock",),
}
_HTTP: Needs = {
    "app/main.py": ("app", "settings", "logger", "SLOW_MILLIS"),
    "app/config.py": ("Settings",),
    "app/routers/inference.py": ("inference_service", "load_model"),
    "app/routers/jobs.py": ("job_service",),
}
_CORS: Needs = {"app/cors.py": ("LOCAL_ORIGINS", "allowed_origins", "canonical", "in_production")}

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

SUITES = (_ORDER,)
"""The interface that the order has in mind first: where two fit alike, it is the one."""
