from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, timedelta

import pytest

from app.services.job_service import (
    MAX_ATTEMPTS,
    InvalidTransitionError,
    JobNotFoundError,
    JobService,
)

pytestmark = pytest.mark.unit

URL = "http://camera.local/1.jpg"


@pytest.fixture
def service(clock):
    return JobService(clock=clock)


@pytest.fixture
def job(service):
    return service.create_job(tenant_id="t-1", image_url=URL)


def in_status(service, status):
    """Return a job that went the shortest way to `status`."""
    job = service.create_job(tenant_id="t-1", image_url=URL)
    if status == "processing":
        service.start_processing(job.id)
    elif status == "completed":
        service.complete_job(job.id, results={})
    elif status == "failed":
        service.fail_job(job.id, error="no light")
    assert job.status == status
    return job


class TestCreate:
    def test_returns_a_pending_job_with_an_id(self):
        job = JobService().create_job(tenant_id="t-1", image_url="http://...")

        assert job.id is not None
        assert job.status == "pending"

    def test_remembers_what_it_was_asked(self, job):
        assert (job.tenant_id, job.image_url) == ("t-1", URL)
        assert (job.results, job.error, job.attempts) == (None, None, 0)

    def test_never_gives_an_id_twice(self, service):
        ids = {service.create_job("t-1", URL).id for _ in range(200)}

        assert len(ids) == 200

    def test_keeps_times_with_their_zone(self):
        job = JobService().create_job("t-1", URL)

        assert job.created_at.tzinfo is UTC
        assert job.updated_at == job.created_at

    @pytest.mark.parametrize(
        ("tenant_id", "image_url", "reason"),
        [
            ("", URL, "tenant_id"),
            (None, URL, "tenant_id"),
            ("t-1", "", "image_url"),
            ("t-1", "file:///etc/passwd", "image_url"),
            ("t-1", "ftp://camera.local/1.jpg", "image_url"),
        ],
    )
    def test_refuses_a_job_it_could_not_do(self, service, tenant_id, image_url, reason):
        with pytest.raises(ValueError, match=reason):
            service.create_job(tenant_id=tenant_id, image_url=image_url)

        assert service.list_jobs(tenant_id) == []


class TestProgress:
    def test_moves_to_processing(self, service, job):
        service.start_processing(job.id)

        assert job.status == "processing"
        assert job.attempts == 1

    def test_completes_with_results(self, service, job):
        service.start_processing(job.id)

        service.complete_job(job.id, results={"count": 10})

        assert job.status == "completed"
        assert job.results["count"] == 10
        assert job.history == ["pending", "processing", "completed"]

    def test_completes_a_job_that_was_never_reported_as_started(self, service, job):
        service.complete_job(job.id, results={"count": 10})

        assert job.status == "completed"
        assert job.results["count"] == 10

    def test_keeps_its_own_copy_of_the_results(self, service, job):
        results = {"count": 10}
        service.complete_job(job.id, results=results)

        results["count"] = 99

        assert job.results == {"count": 10}

    def test_remembers_why_a_job_failed(self, service, job):
        service.start_processing(job.id)

        service.fail_job(job.id, error="camera offline")

        assert (job.status, job.error, job.results) == ("failed", "camera offline", None)

    def test_notes_when_a_job_changed(self, service, job):
        service.start_processing(job.id)

        assert job.updated_at - job.created_at == timedelta(seconds=1)

    @pytest.mark.parametrize(
        ("status", "action"),
        [
            ("processing", "start"),
            ("completed", "start"),
            ("failed", "start"),
            ("completed", "complete"),
            ("failed", "complete"),
            ("completed", "fail"),
            ("failed", "fail"),
            ("pending", "retry"),
            ("processing", "retry"),
            ("completed", "retry"),
        ],
    )
    def test_refuses_a_step_out_of_turn(self, service, status, action):
        job = in_status(service, status)
        before = (job.updated_at, list(job.history), job.results, job.error, job.attempts)
        steps = {
            "start": lambda: service.start_processing(job.id),
            "complete": lambda: service.complete_job(job.id, results={"count": 1}),
            "fail": lambda: service.fail_job(job.id, error="again"),
            "retry": lambda: service.retry_job(job.id),
        }

        with pytest.raises(InvalidTransitionError, match=f"from {status} to"):
            steps[action]()

        assert job.status == status
        assert (job.updated_at, job.history, job.results, job.error, job.attempts) == before

    def test_lets_one_of_many_workers_claim_a_job(self, service, job):
        def claim(_):
            try:
                service.start_processing(job.id)
            except InvalidTransitionError:
                return False
            return True

        with ThreadPoolExecutor(max_workers=8) as pool:
            claimed = list(pool.map(claim, range(32)))

        assert claimed.count(True) == 1
        assert job.attempts == 1


class TestRetry:
    def test_queues_a_failed_job_again(self, service):
        job = in_status(service, "failed")

        service.retry_job(job.id)

        assert (job.status, job.error) == ("pending", None)

    def test_gives_up_after_the_last_attempt(self, service, job):
        for _ in range(MAX_ATTEMPTS - 1):
            service.start_processing(job.id)
            service.fail_job(job.id, error="no light")
            service.retry_job(job.id)
        service.start_processing(job.id)
        service.fail_job(job.id, error="no light")

        with pytest.raises(InvalidTransitionError, match="tried 3 times"):
            service.retry_job(job.id)

        assert (job.status, job.attempts) == ("failed", 3)


class TestLookup:
    def test_finds_the_very_job(self, service, job):
        assert service.get_job(job.id) is job

    @pytest.mark.parametrize("job_id", ["", "none", None])
    def test_says_which_job_it_does_not_know(self, service, job_id):
        with pytest.raises(JobNotFoundError) as caught:
            service.get_job(job_id)

        assert caught.value.args == (job_id,)
        assert isinstance(caught.value, KeyError)

    def test_does_not_know_a_job_of_another_service(self, job):
        with pytest.raises(JobNotFoundError):
            JobService().start_processing(job.id)

    def test_lists_a_tenants_own_jobs_oldest_first(self, service):
        first = service.create_job("t-1", URL)
        service.create_job("t-2", URL)
        second = service.create_job("t-1", URL)

        assert service.list_jobs("t-1") == [first, second]
        assert service.list_jobs("t-3") == []

    def test_lists_jobs_of_one_status(self, service, job):
        started = in_status(service, "processing")

        assert service.list_jobs("t-1", status="processing") == [started]
        assert service.list_jobs("t-1", status="pending") == [job]
