import asyncio
import json
import logging
import tempfile
import urllib.request
from datetime import UTC, datetime
from urllib.parse import quote

from app.config import Config

logger = logging.getLogger(__name__)


def now():
    return datetime.now(UTC).isoformat()


class JobService:
    def __init__(self, db, inference_service):
        self.db = db
        self.inference_service = inference_service
        self.jobs = {}

    async def create_job(
        self, tenant_id, farm_id, barn_id, device_id,
        media_id=None, object_key=None, session_id=None, trace_id=None,
    ):
        if not (media_id or object_key):
            raise ValueError("a media_id or object_key is wanted")
        job = {
            "job_id": Config.new_id(),
            "tenant_id": tenant_id,
            "farm_id": farm_id,
            "barn_id": barn_id,
            "device_id": device_id,
            "media_id": media_id,
            "object_key": object_key,
            "session_id": session_id,
            "trace_id": trace_id or Config.new_id(),
            "created_at": now(),
        }
        self.jobs[job["job_id"]] = job
        self._move(job, "pending")
        self.last = asyncio.create_task(self._process_job(job["job_id"]))
        return job

    def _move(self, job, status, **more):
        job.update(status=status, updated_at=now(), **more)

    async def _process_job(self, job_id):
        job = self.jobs.get(job_id)
        if job is None:
            return
        self._move(job, "processing")
        named = {"job_id": job_id, "trace_id": job["trace_id"]}
        try:
            self._move(job, "completed", result_id=await self._result_of(job))
            logger.info("completed", extra={**named, "result_id": job["result_id"]})
        except Exception as error:
            self._move(job, "failed", error=str(error))
            logger.exception("failed", extra={**named, "error": str(error)})

    async def _result_of(self, job):
        place = await self._fetch_media_to_tmp(job)
        try:
            notes = {name: job[name] for name in ("job_id", "media_id", "session_id")}
            seen = await self.inference_service.run_inference(place.name, metadata=notes)
        finally:
            place.close()
        metadata = seen.pop("metadata", None)
        names = ("tenant_id", "farm_id", "barn_id", "device_id", "session_id")
        where = {name: job[name] for name in names}
        media = {"media_id": job["media_id"] or None}
        result_id = await self.db.create_inference_result(
            result_id=job["job_id"], **where, **media, **seen, metadata=metadata
        )
        known = {name: value or None for name, value in where.items()}
        told = {"inference_result_id": result_id, "occurred_at": now(), **known, **media, **seen}
        await self.db.create_outbox_event(
            job["job_id"], event_type="inference.completed", payload=told,
            trace_id=job["trace_id"], **where,
        )
        await self._attach_to_session(job, result_id)
        return result_id

    async def _ask(self, job, url, method, body=None):
        headers = {
            "content-type": "application/json",
            "x-tenant-id": job["tenant_id"],
            "x-request-id": job["job_id"],
            "x-trace-id": job["trace_id"],
        }
        data = json.dumps(body).encode() if body else None
        request = urllib.request.Request(url, data=data, headers=headers, method=method)

        def ask():
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.read()

        return await asyncio.to_thread(ask)

    async def _fetch_media_to_tmp(self, job):
        if not job.get("tenant_id"):
            raise ValueError("a tenant_id is wanted")
        media_id = job["media_id"]
        path = media_id or f"by-key?object_key={quote(job['object_key'])}"
        url = f"{Config.MEDIA_STORE_URL}/api/v1/media/objects/{path}"
        place = tempfile.NamedTemporaryFile()
        place.write(await self._ask(job, url, "GET"))
        place.flush()
        return place

    async def _attach_to_session(self, job, result_id):
        if not (job.get("tenant_id") and job.get("session_id")):
            return
        sessions = f"{Config.WEIGHVISION_SESSION_URL}/api/v1/weighvision/sessions"
        body = {"media_id": job["media_id"], "inference_result_id": result_id}
        try:
            await self._ask(job, f"{sessions}/{job['session_id']}/attach", "POST", body)
        except OSError:
            job["attached"] = False

    async def get_job(self, job_id):
        return self.jobs.get(job_id)

    async def get_results_by_session(self, session_id, limit=100):
        return await self.db.get_inference_results_by_session(session_id, limit)
