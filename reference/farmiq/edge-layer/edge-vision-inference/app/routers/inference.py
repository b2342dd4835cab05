"""Look at a frame now."""

from functools import lru_cache

import numpy as np
from fastapi import APIRouter, HTTPException

from app.config import settings
from app.model import load_model
from app.schemas import InferenceRequest, InferenceResponse
from app.services.inference_service import InferenceService

router = APIRouter(prefix="/api/v1/inference", tags=["inference"])


@lru_cache(maxsize=1)
def inference_service() -> InferenceService:
    """Return the service; the model is loaded at the first request."""
    return InferenceService(
        model=load_model(settings.model_path),
        confidence_threshold=settings.confidence_threshold,
    )


@router.post("", response_model=InferenceResponse)
def infer(request: InferenceRequest) -> InferenceResponse:
    """Run the model on one frame."""
    widths = {len(row) for row in request.pixels}
    if len(widths) != 1 or sum(map(len, request.pixels)) > settings.max_frame_pixels:
        raise HTTPException(status_code=400, detail="frame is ragged or too large")
    frame = np.array(request.pixels, dtype=np.uint8)
    result = inference_service().predict(frame)
    return InferenceResponse(camera_id=request.camera_id, predictions=result["predictions"])


@router.get("/models")
def models() -> dict:
    """Name the model that answers."""
    return {"models": [{"path": settings.model_path, "version": settings.model_version}]}
