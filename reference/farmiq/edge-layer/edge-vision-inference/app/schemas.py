"""Requests and answers of the vision service."""

from pydantic import BaseModel, Field


class InferenceRequest(BaseModel):
    """One grey-scale frame, row by row, 0 to 255."""

    tenant_id: str = Field(min_length=1)
    camera_id: str = Field(min_length=1)
    pixels: list[list[int]] = Field(min_length=1)


class Prediction(BaseModel):
    """A labelled guess with its confidence."""

    label: str
    confidence: float = Field(ge=0, le=1)


class InferenceResponse(BaseModel):
    """What the model saw in a frame."""

    camera_id: str
    predictions: list[Prediction]


class JobRequest(BaseModel):
    """A stored image to look at later."""

    tenant_id: str = Field(min_length=1)
    image_url: str = Field(pattern="^https?://")


class JobResponse(BaseModel):
    """Where a job stands."""

    id: str
    status: str
    results: dict | None = None
