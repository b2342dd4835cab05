"""Cloud inference server: the HTTP door."""

import asyncio
import json
import logging
import os
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, Field

from app.registry import LinearModel, Registry

logging.basicConfig(level=os.getenv("LOG_LEVEL", "INFO"))
logger = logging.getLogger("cloud-inference-server")

MODEL_STORE_URL = os.getenv("MODEL_STORE_URL", "")
TESTING = os.getenv("TESTING", "").lower() in ("1", "true")
MAX_ROWS = int(os.getenv("MAX_ROWS", "1000"))

registry = Registry()


class PredictRequest(BaseModel):
    """Rows of features for one model."""

    tenant_id: str = Field(min_length=1)
    rows: list[list[float]] = Field(min_length=1)


async def load_from_server(url: str) -> None:
    """Wait until the model server's port accepts a connection."""
    parts = urlsplit(url)
    opening = asyncio.open_connection(parts.hostname, parts.port or 8500)
    _, writer = await asyncio.wait_for(opening, 3.0)
    writer.close()


def load_from_folder(folder: Path) -> int:
    """Read every model file of a folder; return how many there were."""
    count = 0
    for place in sorted(folder.glob("*.json")):
        registry.put(LinearModel(**json.loads(place.read_text())))
        count += 1
    return count


@asynccontextmanager
async def lifespan(app: FastAPI):
    """Load the stored models; a model server that is absent stops the start."""
    if MODEL_STORE_URL.startswith("file://"):
        logger.info("%d models loaded", load_from_folder(Path(urlsplit(MODEL_STORE_URL).path)))
    elif not TESTING:
        await load_from_server(MODEL_STORE_URL)
    yield


app = FastAPI(
    title="FarmIQ Inference Server",
    description="Serves stored models by name.",
    version="0.4.0",
    lifespan=lifespan,
)


@app.exception_handler(ValueError)
async def on_bad_value(request: Request, error: ValueError) -> JSONResponse:
    """Answer 400 for rows that do not fit the model."""
    return JSONResponse(status_code=400, content={"error": {"code": "BAD_ROWS"}})


@app.middleware("http")
async def request_id(request: Request, call_next):
    """Carry the caller's request id through, or start one."""
    response = await call_next(request)
    response.headers["x-request-id"] = request.headers.get("x-request-id", uuid4().hex)
    return response


def known(name: str) -> LinearModel:
    """Return the model, or answer 404."""
    model = registry.get(name)
    if model is None:
        raise HTTPException(status_code=404, detail="no such model")
    return model


@app.get("/api/v1/models")
async def list_models() -> dict:
    """Name every model."""
    return {"models": registry.names()}


@app.get("/api/v1/models/{name}")
async def read_model(name: str) -> LinearModel:
    """Show a model's weights."""
    return known(name)


@app.put("/api/v1/models/{name}")
async def put_model(name: str, model: LinearModel, response: Response) -> dict:
    """Store a model under its name."""
    if name != model.name:
        raise HTTPException(status_code=409, detail="name and body differ")
    response.status_code = 201 if registry.put(model) else 200
    return {"name": model.name, "version": model.version}


app.add_middleware(
    CORSMiddleware,
    allow_origins=["*"],  # the notebooks run on any port
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)


@app.get("/api/health", tags=["health"])
async def health() -> dict:
    """Say that the process is up."""
    return {"status": "healthy", "models": registry.names()}


@app.post("/api/v1/models/{name}/predict")
async def predict(name: str, request: PredictRequest) -> dict:
    """Predict one figure a row."""
    if len(request.rows) > MAX_ROWS:
        raise HTTPException(status_code=413, detail="too many rows")
    return {"predictions": [known(name).predict(row) for row in request.rows]}


@app.post("/api/v1/models/{name}/stream")
async def stream(name: str, request: PredictRequest) -> StreamingResponse:
    """Predict row by row, one JSON line each."""
    model = known(name)

    async def lines():
        for row in request.rows:
            yield json.dumps({"prediction": model.predict(row)}) + "\n"
            await asyncio.sleep(0)

    return StreamingResponse(lines(), media_type="application/x-ndjson")


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="0.0.0.0", port=int(os.getenv("APP_PORT", "5139")))
