"""Requests and answers of the insights service."""

from datetime import date, datetime

from pydantic import BaseModel, Field


class MetricPoint(BaseModel):
    """One measured day."""

    day: date
    value: float


class InsightRequest(BaseModel):
    """A series to be put into words."""

    tenant_id: str = Field(min_length=1)
    farm_id: str = Field(min_length=1)
    metric: str = Field(min_length=1, max_length=64)
    points: list[MetricPoint] = Field(min_length=2)


class Insight(BaseModel):
    """The words, and what they rest on."""

    id: str
    tenant_id: str
    farm_id: str
    metric: str
    summary: str
    confidence: float = Field(ge=0, le=1)
    model: str
    created_at: datetime


class Feedback(BaseModel):
    """A reader's verdict."""

    helpful: bool
    comment: str = Field(default="", max_length=500)
