"""Cloud feed planner: the HTTP door."""

import logging
from contextlib import asynccontextmanager
from uuid import uuid4

from starlette.middleware.cors import CORSMiddleware
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from . import plans
from .config import settings

logger = logging.getLogger(settings.service_name)


@asynccontextmanager
async def lifespan(app: FastAPI):
    """Warn where plans will not be kept."""
    if not settings.testing and not settings.database_url:
        logger.warning("DATABASE_URL is not set: plans live as long as this process")
    yield


app = FastAPI(
    title="FarmIQ Feed Planner",
    docs_url="/api-docs",
    openapi_url="/api-docs/openapi.json",
    lifespan=lifespan,
)
app.include_router(plans.router)


@app.exception_handler(Exception)
async def on_crash(request: Request, error: Exception) -> JSONResponse:
    """Answer a crash in the platform's error shape."""
    logger.error("unhandled error on %s", request.url.path, exc_info=error)
    return JSONResponse(status_code=500, content={"error": {"code": "INTERNAL_ERROR"}})


@app.get("/api/health")
def health() -> dict:
    """Say that the process is up."""
    return {"status": "healthy", "service": settings.service_name}


@app.middleware("http")
async def request_id(request: Request, call_next):
    """Carry a request id through every answer."""
    response = await call_next(request)
    response.headers["x-request-id"] = request.headers.get("x-request-id", uuid4().hex)
    return response


app.add_middleware(
    CORSMiddleware,
    allow_origins=("*",),
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)


@app.get("/api/v1/feeds")
def feeds() -> dict:
    """Name the feeds that plans use."""
    return {"feeds": sorted({plan.feed for plan in plans.PLANS.values()})}
