"""Follow an image from the queue to its results."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

PENDING = "pending"
PROCESSING = "processing"
COMPLETED = "completed"
FAILED = "failed"

MAX_ATTEMPTS = 3

# A worker that is done at once may complete a job that it never reported as started.
TRANSITIONS = {
    PENDING: {PROCESSING, COMPLETED, FAILED},
    PROCESSING: {COMPLETED, FAILED},
    FAILED: {PENDING},
    COMPLETED: set(),
}


class JobNotFoundError(KeyError):
    """No job has this id."""


class InvalidTransitionError(ValueError):
    """A job cannot move from its status to the one that is asked for."""


@dataclass
class Job:
    """One image to look at; the service updates it in place."""

    id: str
    tenant_id: str
    image_url: str
    created_at: datetime
    updated_at: datetime
    status: str = PENDING
    attempts: int = 0
    results: dict[str, Any] | None = None
    error: str | None = None
    history: list[str] = field(default_factory=lambda: [PENDING])


def utc_now() -> datetime:
    """Return the time with its zone."""
    return datetime.now(UTC)


class JobService:
    """The jobs of this process; safe to share between threads."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def create_job(self, tenant_id: str, image_url: str) -> Job:
        """Queue an image; raises ValueError without a tenant or an http(s) address."""
        if not tenant_id:
            raise ValueError("tenant_id is needed")
        if not image_url.startswith(("http://", "https://")):
            raise ValueError("image_url must be an http or https address")
        now = self._clock()
        job = Job(
            id=str(uuid.uuid4()),
            tenant_id=tenant_id,
            image_url=image_url,
            created_at=now,
            updated_at=now,
        )
        with self._lock:
            self._jobs[job.id] = job
        return job

    def get_job(self, job_id: str) -> Job:
        """Return the job; raises JobNotFoundError, which is a KeyError."""
        with self._lock:
            return self._find(job_id)

    def list_jobs(self, tenant_id: str, status: str | None = None) -> list[Job]:
        """Return the tenant's jobs, oldest first."""
        with self._lock:
            mine = [job for job in self._jobs.values() if job.tenant_id == tenant_id]
        return [job for job in mine if status is None or job.status == status]

    def start_processing(self, job_id: str) -> Job:
        """Claim a pending job; only one caller can."""
        with self._lock:
            job = self._move(job_id, PROCESSING)
            job.attempts += 1
            return job

    def complete_job(self, job_id: str, results: dict[str, Any]) -> Job:
        """Store a copy of the results."""
        with self._lock:
            job = self._move(job_id, COMPLETED)
            job.results = dict(results)
            return job

    def fail_job(self, job_id: str, error: str) -> Job:
        """Store why the job failed."""
        with self._lock:
            job = self._move(job_id, FAILED)
            job.error = error
            return job

    def retry_job(self, job_id: str) -> Job:
        """Queue a failed job again, unless it was started MAX_ATTEMPTS times."""
        with self._lock:
            if self._find(job_id).attempts >= MAX_ATTEMPTS:
                raise InvalidTransitionError(f"job {job_id} was tried {MAX_ATTEMPTS} times")
            job = self._move(job_id, PENDING)
            job.error = None
            return job

    def _find(self, job_id: str) -> Job:
        try:
            return self._jobs[job_id]
        except KeyError:
            raise JobNotFoundError(job_id) from None

    def _move(self, job_id: str, status: str) -> Job:
        job = self._find(job_id)
        if status not in TRANSITIONS[job.status]:
            raise InvalidTransitionError(f"job {job_id} cannot go from {job.status} to {status}")
        job.status = status
        job.updated_at = self._clock()
        job.history.append(status)
        return job
