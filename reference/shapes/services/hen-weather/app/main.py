import logging

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from pydantic import AnyHttpUrl, PositiveInt
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    forecast_url: AnyHttpUrl
    station_count: PositiveInt
    admin_contact: str
    log_format: str = "json"


settings = Settings()
logging.basicConfig(format=settings.log_format)
app = FastAPI()
app.add_middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)


@app.get("/stations")
def stations() -> dict[str, int]:
    return {"count": settings.station_count}
