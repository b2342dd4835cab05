"""The inference service: what it says of a picture, and of its model."""

import asyncio
from types import SimpleNamespace

import pytest

from app.inference_service import InferenceService

pytestmark = pytest.mark.unit

RESULT = {"predicted_weight_kg", "confidence", "model_version", "metadata"}


@pytest.fixture
def config():
    return SimpleNamespace(
        MODEL_PATH="", MODEL_VERSION="v7", CONFIDENCE_THRESHOLD=0.6, NMS_THRESHOLD=0.3
    )


@pytest.fixture
def service(config):
    return InferenceService(config)


def looked_at(service, path, metadata=None):
    return asyncio.run(service.run_inference(str(path), metadata))


def test_answers_in_the_shape_that_callers_read(service, picture):
    result = looked_at(service, picture(250))

    assert set(result) == RESULT
    assert result["model_version"] == "v7"


@pytest.mark.parametrize("size", [0, 1, 99, 100, 250, 999, 1000, 12_345])
def test_keeps_weight_and_confidence_within_bounds(service, picture, size):
    result = looked_at(service, picture(size))

    assert 0 <= result["predicted_weight_kg"] < 10
    assert 0.5 <= result["confidence"] <= 0.95


@pytest.mark.parametrize(
    ("size", "weight", "confidence"),
    [(0, 0.0, 0.5), (250, 2.5, 0.75), (999, 9.99, 0.95), (1001, 0.01, 0.505), (90, 0.9, 0.95)],
)
def test_stands_in_for_a_model_by_the_size_of_the_file(service, picture, size, weight, confidence):
    result = looked_at(service, picture(size))

    assert result["predicted_weight_kg"] == pytest.approx(weight)
    assert result["confidence"] == pytest.approx(confidence)


def test_rounds_what_it_says(service, picture):
    result = looked_at(service, picture(1_003))

    assert result["predicted_weight_kg"] == 0.03
    assert result["confidence"] == 0.515


def test_says_the_same_of_the_same_picture(service, picture):
    place = picture(777)

    assert looked_at(service, place) == looked_at(service, place)


def test_says_that_no_model_looked(service, picture):
    place = picture(250)

    assert looked_at(service, place)["metadata"] == {
        "image_path": str(place),
        "file_size_bytes": 250,
        "stub_mode": True,
    }


def test_hands_the_callers_own_notes_back(service, picture):
    metadata = looked_at(service, picture(250), {"job_id": "j", "session_id": None})["metadata"]

    assert metadata["job_id"] == "j"
    assert metadata["session_id"] is None
    assert metadata["file_size_bytes"] == 250


def test_leaves_the_callers_notes_alone(service, picture):
    notes = {"job_id": "j"}
    looked_at(service, picture(250), notes)

    assert notes == {"job_id": "j"}


def test_refuses_a_picture_that_is_not_there(service, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.img"):
        looked_at(service, tmp_path / "gone.img")


def test_names_the_model_that_is_configured(service, config):
    config.MODEL_PATH = "/models/pigs.pt"

    assert service.get_model_info() == {
        "model_version": "v7",
        "model_path": "/models/pigs.pt",
        "confidence_threshold": 0.6,
        "nms_threshold": 0.3,
        "status": "ready",
    }


def test_says_that_there_is_no_model(service):
    info = service.get_model_info()

    assert info["model_path"] == "stub"
    assert info["status"] == "stub_mode"


def test_keeps_what_it_was_configured_with(service):
    assert service.model_version == "v7"
    assert service.confidence_threshold == 0.6
