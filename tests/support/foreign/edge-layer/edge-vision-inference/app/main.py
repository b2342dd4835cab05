from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from app.api.v1.endpoints import router
from app.config import Config
from app.db import InferenceDb
from app.inference_service import InferenceService
from app.job_service import JobService


@asynccontextmanager
async def lifespan(app):
    db = InferenceDb(Config.DATABASE_URL)
    await db.connect()
    await db.ensure_schema()
    app.state.db = db
    app.state.inference_service = InferenceService(Config())
    app.state.job_service = JobService(db, app.state.inference_service)
    yield
    await db.close()


app = FastAPI(openapi_url="/api-docs/openapi.json", lifespan=lifespan)
app.include_router(router, prefix="/api/v1/inference")


@app.get("/api/health")
@app.get("/health")
async def health():
    return {"status": "healthy"}


@app.get("/api/ready")
async def ready(request: Request):
    answers = await request.app.state.db.ping()
    status = "ready" if answers else "not_ready"
    return JSONResponse({"status": status, "db": answers}, 200 if answers else 503)
