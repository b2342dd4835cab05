"""Cloud advanced analytics: the HTTP door."""

import asyncio
import logging
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import uuid4

from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app import statistics
from app.settings import Settings

logger = logging.getLogger(__name__)
router = APIRouter(prefix="/api/v1/advanced", tags=["advanced"])


class Series(BaseModel):
    """A measured series of one barn."""

    tenant_id: str = Field(min_length=1)
    barn_id: str = Field(min_length=1)
    values: list[float] = Field(min_length=3, max_length=5000)


class ForecastRequest(Series):
    """A series to be continued."""

    days: int = Field(default=7, ge=1)


class Cohort(BaseModel):
    """A group of batches to be compared."""

    name: str = Field(min_length=1)
    batches: list[str] = Field(min_length=1)


# Lost at a restart; the nightly export is the copy that counts.
COHORTS: dict[str, Cohort] = {}


@router.post("/forecast")
def forecast(request: ForecastRequest) -> dict:
    """Continue a series."""
    if request.days > Settings().horizon_days:
        raise HTTPException(status_code=400, detail="horizon is too far")
    return {"barn_id": request.barn_id, "values": statistics.forecast(request.values, request.days)}


@router.post("/anomalies")
def anomalies(request: Series) -> dict:
    """Name the positions that stand out."""
    return {"positions": statistics.outliers(request.values, Settings().anomaly_sigma)}


@router.put("/cohorts/{cohort_id}")
def put_cohort(cohort_id: str, cohort: Cohort) -> dict:
    """Store a cohort under its id."""
    created = cohort_id not in COHORTS
    COHORTS[cohort_id] = cohort
    return {"id": cohort_id, "created": created}


@router.get("/cohorts")
def list_cohorts() -> dict:
    """List every cohort."""
    return {"cohorts": [{"id": key, **value.model_dump()} for key, value in COHORTS.items()]}


@router.delete("/cohorts/{cohort_id}")
def drop_cohort(cohort_id: str) -> dict:
    """Forget a cohort."""
    if COHORTS.pop(cohort_id, None) is None:
        raise HTTPException(status_code=404, detail="no such cohort")
    return {"id": cohort_id, "dropped": True}


async def port_open(url: str, fallback: int) -> bool:
    """Return whether the URL's port accepts a connection."""
    parts = urlsplit(url)
    try:
        opening = asyncio.open_connection(parts.hostname, parts.port or fallback)
        _, writer = await asyncio.wait_for(opening, 2.0)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


@asynccontextmanager
async def lifespan(app: FastAPI):
    """Warn about what is missing: forecasts need neither database nor cache."""
    settings = app.state.settings
    if not settings.testing:
        for name, url, port in (
            ("database", settings.database_url, 5432),
            ("cache", settings.redis_url, 6379),
        ):
            if not await port_open(url, port):
                logger.warning("%s is not reachable: stored cohorts will not survive", name)
    yield


def create_app(settings: Settings) -> FastAPI:
    """Build the service."""
    app = FastAPI(
        title="FarmIQ Advanced Analytics",
        description="Forecasts, anomalies and cohorts.",
        version="2.1.0",
        docs_url="/api-docs",
        redoc_url=None,
        openapi_url="/api-docs/openapi.json",
        lifespan=lifespan,
    )
    app.state.settings = settings

    app.include_router(router)

    # The cohort editor of the dashboard calls this service   
    # straight from the browser, with the user's cookie.
    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
    )

    @app.middleware("http")
    async def request_id(request: Request, call_next):
        response = await call_next(request)
        response.headers["x-request-id"] = request.headers.get("x-request-id", str(uuid4()))
        return response

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        places = [list(map(str, item["loc"])) for item in error.errors()]
        return JSONResponse(
            status_code=422, content={"error": {"code": "VALIDATION_ERROR", "places": places}}
        )

    @app.exception_handler(Exception)
    async def on_crash(request: Request, error: Exception) -> JSONResponse:
        logger.error("unhandled error on %s", request.url.path, exc_info=error)
        return JSONResponse(
            status_code=500, content={"error": {"code": "INTERNAL_ERROR", "message": str(error)}}
        )

    @app.get("/api/health", tags=["health"])
    def health() -> dict:
        return {"status": "healthy", "service": settings.service_name}

    return app


app = create_app(Settings())
