"""Run a model on one image and keep what it is sure of."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import numpy as np

GREY_SCALE = 2
CHANNELS = (1, 3, 4)


class Model(Protocol):
    """What the service asks of a model."""

    def predict(self, image: np.ndarray) -> Iterable[Mapping[str, Any]]:
        """Return labelled guesses with a confidence from 0 to 1."""


class ModelError(RuntimeError):
    """The model failed, or answered what no model should."""


class InferenceService:
    """A model with a threshold under which its guesses are dropped."""

    def __init__(self, model: Model, confidence_threshold: float = 0.5) -> None:
        if model is None:
            raise ValueError("a model is needed")
        if not 0 <= confidence_threshold <= 1:
            raise ValueError("confidence_threshold must lie between 0 and 1")
        self.model = model
        self.confidence_threshold = confidence_threshold

    def predict(self, image: np.ndarray | None) -> dict[str, Any]:
        """Return the guesses at or above the threshold, surest first.

        Raises ValueError for what is no image and ModelError for what is no answer.
        """
        check_image(image)
        try:
            answer = [checked_prediction(item) for item in self.model.predict(image)]
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"the model failed: {error}") from error
        kept = [item for item in answer if item["confidence"] >= self.confidence_threshold]
        kept.sort(key=lambda item: item["confidence"], reverse=True)
        return {"predictions": kept, "count": len(kept), "dropped": len(answer) - len(kept)}


def check_image(image: np.ndarray | None) -> None:
    """Raise ValueError for anything but a frame of 8-bit pixels."""
    if not isinstance(image, np.ndarray):
        raise ValueError(f"Invalid image: {type(image).__name__} is no array")
    if image.size == 0:
        raise ValueError("Invalid image: it has no pixels")
    if image.dtype != np.uint8:
        raise ValueError(f"Invalid image: pixels are {image.dtype}, not uint8")
    coloured = image.ndim == GREY_SCALE + 1 and image.shape[-1] in CHANNELS
    if image.ndim != GREY_SCALE and not coloured:
        raise ValueError(f"Invalid image: shape {image.shape}")


def checked_prediction(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the prediction; raise ModelError where it breaks the contract."""
    if not isinstance(item, Mapping) or not item.get("label"):
        raise ModelError(f"a prediction without a label: {item!r}")
    confidence = item.get("confidence")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float | np.number):
        raise ModelError(f"a prediction without a confidence: {item!r}")
    number = float(confidence)
    if math.isnan(number) or not 0 <= number <= 1:
        raise ModelError(f"a confidence outside 0 to 1: {number}")
    return {**item, "confidence": number}
