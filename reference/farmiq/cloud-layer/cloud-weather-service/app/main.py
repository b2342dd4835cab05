"""Cloud weather: the HTTP door."""

import logging

from fastapi.middleware.cors import CORSMiddleware
from fastapi import FastAPI, HTTPException, Request

from app.outlook import Observation, heat_index, risk
from app.tracing import request_id

logging.basicConfig(level=logging.INFO)

app = FastAPI(title="FarmIQ Weather", docs_url="/api-docs", openapi_url="/api-docs/openapi.json")

latest: dict[str, Observation] = {}

app.add_middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_credentials=True,
    allow_methods=["GET", "POST"],
    allow_headers=["*"],
    expose_headers=["x-request-id"],
)


@app.middleware("http")
async def trace(request: Request, call_next):
    """Answer with the request's id."""
    response = await call_next(request)
    response.headers["x-request-id"] = request_id(request)
    return response


@app.get("/api/health")
def health() -> dict:
    """Say that the process is up."""
    return {"status": "healthy"}


@app.post("/api/v1/weather/observations", status_code=201)
def observe(observation: Observation) -> dict:
    """Take a station's reading in."""
    latest[observation.station] = observation
    return {"stations": len(latest)}


@app.get("/api/v1/weather/stations/{station}/outlook")
def outlook(station: str) -> dict:
    """Tell how hard the weather is on the animals."""
    if station not in latest:
        raise HTTPException(status_code=404, detail="no reading of this station")
    index = heat_index(latest[station].celsius, latest[station].humidity)
    return {"station": station, "heat_index": index, "risk": risk(index)}
