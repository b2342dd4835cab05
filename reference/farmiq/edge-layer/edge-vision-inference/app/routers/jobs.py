"""Queue a stored image and follow its job."""

from functools import lru_cache

from fastapi import APIRouter, HTTPException

from app.schemas import JobRequest, JobResponse
from app.services.job_service import JobService

router = APIRouter(prefix="/api/v1/jobs", tags=["jobs"])


@lru_cache(maxsize=1)
def job_service() -> JobService:
    """Return the one job service of this process."""
    return JobService()


def known_job(job_id: str):
    """Return the job, or answer 404."""
    try:
        job = job_service().get_job(job_id)
    except KeyError:
        job = None
    if job is None:
        raise HTTPException(status_code=404, detail="no such job")
    return job


@router.post("", response_model=JobResponse, status_code=201)
def create_job(request: JobRequest) -> JobResponse:
    """Queue an image."""
    job = job_service().create_job(tenant_id=request.tenant_id, image_url=request.image_url)
    return JobResponse(id=job.id, status=job.status)


@router.get("/{job_id}", response_model=JobResponse)
def read_job(job_id: str) -> JobResponse:
    """Tell where a job stands."""
    job = known_job(job_id)
    return JobResponse(id=job.id, status=job.status, results=job.results)
