"""Edge vision inference: the HTTP door."""

import logging
import time
import uuid
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse

from app.config import settings
from app.model import load_model
from app.routers import inference, jobs

logging.basicConfig(level=settings.log_level.upper())
logger = logging.getLogger(settings.service_name)

# A frame that takes longer than this falls behind the camera.
SLOW_MILLIS = 1500.0


@asynccontextmanager
async def lifespan(app: FastAPI):
    """Load the model before the first camera calls; tests load it lazily."""
    if not settings.testing:
        app.state.model = load_model(settings.model_path)
    logger.info("%s ready on port %s", settings.service_name, settings.port)
    yield


app = FastAPI(
    title="FarmIQ Edge Vision Inference",
    description="Weighs and counts animals from camera frames.",
    version="1.3.0",
    docs_url="/api-docs",
    redoc_url=None,
    openapi_url="/api-docs/openapi.json",
    lifespan=lifespan,
)


@app.middleware("http")
async def request_context(request: Request, call_next):
    """Give each request an id and a duration in the log."""
    request_id = request.headers.get("x-request-id") or str(uuid.uuid4())
    request.state.request_id = request_id
    started = time.perf_counter()
    response = await call_next(request)
    response.headers["x-request-id"] = request_id
    millis = (time.perf_counter() - started) * 1000
    level = logging.WARNING if millis > SLOW_MILLIS else logging.INFO
    logger.log(level, "%s %s %d", request.method, request.url.path, response.status_code)
    return response


# The barn's tablets and the dashboard call this service from the browser.
app.add_middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)


@app.exception_handler(RequestValidationError)
async def refuse_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Answer 422 in the platform's error shape."""
    fields = [".".join(str(part) for part in item["loc"]) for item in error.errors()]
    return JSONResponse(
        status_code=422,
        content={"error": {"code": "VALIDATION_ERROR", "fields": fields}},
    )


@app.get("/api/health", tags=["health"])
async def health() -> dict:
    """Say that the process is up."""
    return {"status": "healthy", "service": settings.service_name}


app.include_router(inference.router)
app.include_router(jobs.router)
