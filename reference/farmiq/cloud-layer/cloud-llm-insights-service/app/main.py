"""Cloud LLM insights: the HTTP door."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address

from app.api import insights
from app.config import Settings, get_settings
from app.database import reachable
from app.writer import InsightWriter

logger = logging.getLogger("cloud-llm-insights-service")


def error_body(code: str, message: str, request: Request) -> dict:
    """Return the platform's error shape."""
    return {
        "error": {
            "code": code,
            "message": message,
            "traceId": getattr(request.state, "request_id", None),
        }
    }


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Refuse to start without the database; under test there is none."""
    settings: Settings = app.state.settings
    if not settings.testing and not await reachable(settings.database_url):
        raise RuntimeError("DATABASE_URL names no reachable database")
    logger.info("ready, model %s", settings.llm_model)
    yield
    logger.info("stopped after %d insights", len(app.state.writer.insights))


def register_handlers(app: FastAPI) -> None:
    """Answer every failure in one shape."""

    @app.exception_handler(HTTPException)
    async def on_http_error(request: Request, error: HTTPException) -> JSONResponse:
        body = error_body("HTTP_ERROR", str(error.detail), request)
        return JSONResponse(status_code=error.status_code, content=body)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        body = error_body("VALIDATION_ERROR", f"{len(error.errors())} invalid fields", request)
        return JSONResponse(status_code=422, content=body)

    @app.exception_handler(KeyError)
    async def on_missing(request: Request, error: KeyError) -> JSONResponse:
        body = error_body("NOT_FOUND", f"no such record: {error}", request)
        return JSONResponse(status_code=404, content=body)

    @app.exception_handler(RateLimitExceeded)
    async def on_limit(request: Request, error: RateLimitExceeded) -> JSONResponse:
        body = error_body("TOO_MANY_REQUESTS", f"limit is {error.detail}", request)
        return JSONResponse(status_code=429, content=body)

    @app.exception_handler(Exception)
    async def on_crash(request: Request, error: Exception) -> JSONResponse:
        logger.exception("unhandled error on %s", request.url.path, exc_info=error)
        body = error_body("INTERNAL_ERROR", "internal error", request)
        return JSONResponse(status_code=500, content=body)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the service; tests hand in their own settings."""
    settings = settings or get_settings()
    logging.basicConfig(level=settings.log_level)

    app = FastAPI(
        title="FarmIQ LLM Insights",
        description="A farm's day in a sentence.",
        version="0.9.2",
        docs_url="/api-docs",
        redoc_url=None,
        openapi_url="/api-docs/openapi.json",
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.writer = InsightWriter(settings)
    app.state.limiter = Limiter(
        key_func=get_remote_address,
        default_limits=[settings.rate_limit],
        enabled=not settings.testing,
    )
    register_handlers(app)

    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
    )

    @app.middleware("http")
    async def request_context(request: Request, call_next):
        request_id = request.headers.get("x-request-id") or str(uuid4())
        request.state.request_id = request_id
        started = time.perf_counter()
        response = await call_next(request)
        response.headers["x-request-id"] = request_id
        response.headers["x-response-time"] = f"{(time.perf_counter() - started) * 1000:.1f}ms"
        return response

    @app.get("/api/health", tags=["health"])
    async def health() -> dict:
        return {"status": "healthy", "service": settings.service_name}

    @app.get("/api/ready", tags=["health"])
    async def ready() -> dict:
        return {"ready": settings.testing or await reachable(settings.database_url, 1.0)}

    app.include_router(insights.router)

    return app


app = create_app()
