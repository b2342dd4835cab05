"""Cloud analytics: the HTTP door."""

import logging
from contextlib import asynccontextmanager
from uuid import uuid4

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from app import broker
from app.config import Config
from app.kpi import KpiStore, Metric, Reading

logging.basicConfig(level=Config.LOG_LEVEL)
logger = logging.getLogger("cloud-analytics-service")
store = KpiStore()


@asynccontextmanager
async def lifespan(app: FastAPI):
    """Refuse to start without the event bus; under test there is none."""
    if not Config.TESTING:
        await broker.require(Config.RABBITMQ_URL)
    yield


app = FastAPI(
    title="FarmIQ Analytics",
    version="1.8.0",
    docs_url="/api-docs",
    redoc_url=None,
    openapi_url="/api-docs/openapi.json",
    lifespan=lifespan,
)


@app.exception_handler(StarletteHTTPException)
async def on_http_error(request: Request, error: StarletteHTTPException) -> JSONResponse:
    """Answer refusals in the platform's error shape."""
    return JSONResponse(
        status_code=error.status_code,
        content={"error": {"code": "HTTP_ERROR", "message": error.detail}},
        headers=error.headers,
    )


@app.exception_handler(RequestValidationError)
async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    """Answer 422 in the platform's error shape."""
    return JSONResponse(
        status_code=422,
        content={"error": {"code": "VALIDATION_ERROR", "message": "request is not valid"}},
    )


@app.exception_handler(ConnectionError)
async def on_broker_loss(request: Request, error: ConnectionError) -> JSONResponse:
    """Answer 503 where the event bus is gone."""
    logger.warning("event bus: %s", error)
    return JSONResponse(status_code=503, content={"error": {"code": "BUS_UNAVAILABLE"}})


@app.middleware("http")
async def request_id(request: Request, call_next):
    """Carry the caller's request id through, or start one."""
    request.state.request_id = request.headers.get("x-request-id") or uuid4().hex
    response = await call_next(request)
    response.headers["x-request-id"] = request.state.request_id
    return response


app.add_middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)


@app.get("/api/health", tags=["health"])
async def health() -> dict:
    """Say that the process is up."""
    return {"status": "healthy", "service": "cloud-analytics-service"}


@app.post("/api/v1/analytics/readings", status_code=201, tags=["analytics"])
async def add_reading(reading: Reading) -> dict:
    """Take one figure in."""
    return {"stored": store.add(reading)}


@app.get("/api/v1/analytics/kpi/{metric}", tags=["analytics"])
async def daily(metric: Metric, tenant_id: str = Query(min_length=1)) -> dict:
    """Return a metric's daily means."""
    days = store.daily(tenant_id, metric)
    if not days:
        raise HTTPException(status_code=404, detail="no readings")
    return {"metric": metric, "days": days}


@app.delete("/api/v1/analytics/tenants/{tenant_id}", tags=["analytics"])
async def clear(tenant_id: str, request: Request) -> dict:
    """Forget a tenant; only the platform's own jobs may."""
    if request.headers.get("x-internal-job") != "tenant-offboarding":
        raise HTTPException(status_code=403, detail="internal jobs only")
    return {"removed": store.clear(tenant_id)}
