from fastapi import APIRouter, HTTPException, Query, Request
from pydantic import AliasChoices, BaseModel, Field

router = APIRouter()


def either(snake, camel, **more):
    return Field(validation_alias=AliasChoices(snake, camel), **more)


class Asked(BaseModel):
    tenant_id: str = either("tenant_id", "tenantId", min_length=1)
    farm_id: str = either("farm_id", "farmId", default="")
    barn_id: str = either("barn_id", "barnId", default="")
    device_id: str = either("device_id", "deviceId", default="")
    media_id: str | None = either("media_id", "mediaId", default=None)
    object_key: str | None = either("object_key", "objectKey", default=None)
    session_id: str | None = either("session_id", "sessionId", default=None)
    trace_id: str | None = either("trace_id", "traceId", default=None)


@router.post("/jobs")
async def create(request: Request, asked: Asked):
    given = request.headers
    if given.get("x-tenant-id", asked.tenant_id) != asked.tenant_id:
        raise HTTPException(403, "this is another tenant")
    asked.trace_id = asked.trace_id or given.get("x-trace-id")
    try:
        job = await request.app.state.job_service.create_job(**asked.model_dump())
    except ValueError as error:
        raise HTTPException(400, str(error)) from error
    return {name: job[name] for name in ("job_id", "status", "created_at", "updated_at")}


@router.get("/jobs/{job_id}")
async def show(request: Request, job_id: str):
    jobs = request.app.state.job_service
    if jobs is None:
        raise HTTPException(500, "there is no job service")
    job = await jobs.get_job(job_id)
    if job is None:
        raise HTTPException(404, "there is no such job")
    return job


@router.get("/results")
async def results(request: Request, sessionId: str, limit: int = Query(100, ge=1, le=500)):
    try:
        found = await request.app.state.job_service.get_results_by_session(sessionId, limit)
    except Exception as error:
        raise HTTPException(500, "results cannot be read") from error
    return {"session_id": sessionId, "count": len(found), "results": found}


@router.get("/stats")
async def stats(request: Request):
    db, tenant = request.app.state.db, request.headers.get("x-tenant-id")
    try:
        return {
            "total_results": await db.get_inference_results_count(tenant),
            "last_result_at": await db.get_last_inference_result_timestamp(tenant),
            "tenant_id": tenant,
        }
    except Exception as error:
        raise HTTPException(500, "results cannot be counted") from error


@router.get("/models")
async def models(request: Request):
    service = request.app.state.inference_service
    if service is None:
        raise HTTPException(500, "there is no model")
    return service.get_model_info()
