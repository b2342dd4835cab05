"""Observations by station, and what they promise for the barn."""

from datetime import datetime

from pydantic import BaseModel, Field


class Observation(BaseModel):
    """One station's reading."""

    station: str = Field(min_length=1)
    at: datetime
    celsius: float = Field(ge=-60, le=60)
    humidity: float = Field(ge=0, le=100)


def heat_index(celsius: float, humidity: float) -> float:
    """Return the temperature-humidity index used for livestock."""
    fahrenheit = 1.8 * celsius + 32
    damp = (0.55 - 0.0055 * humidity) * (fahrenheit - 58)
    return round(fahrenheit - damp, 2)


def risk(index: float) -> str:
    """Put an index into words."""
    steps = ((72, "none"), (79, "mild"), (89, "moderate"))
    return next((word for limit, word in steps if index < limit), "severe")
