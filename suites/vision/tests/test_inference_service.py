import numpy as np
import pytest

from app.services.inference_service import InferenceService, ModelError

pytestmark = pytest.mark.unit


def guess(label, confidence, **more):
    return {"label": label, "confidence": confidence, **more}


class TestPredict:
    def test_returns_predictions_in_a_valid_format(self, mock_model, sample_image):
        result = InferenceService(model=mock_model).predict(sample_image)

        assert "predictions" in result
        assert len(result["predictions"]) > 0
        assert all(0 <= item["confidence"] <= 1 for item in result["predictions"])
        assert result == {"predictions": [guess("pig", 0.95)], "count": 1, "dropped": 0}

    def test_hands_the_model_the_very_image(self, mock_model, sample_image):
        InferenceService(model=mock_model).predict(sample_image)

        (given,) = mock_model.predict.call_args.args
        assert given is sample_image

    def test_drops_what_lies_under_the_threshold(self, mock_model, sample_image):
        mock_model.predict.return_value = [guess("pig", 0.95), guess("noise", 0.3)]

        result = InferenceService(model=mock_model, confidence_threshold=0.5).predict(sample_image)

        assert len(result["predictions"]) == 1
        assert result["predictions"][0]["label"] == "pig"
        assert result["dropped"] == 1

    def test_keeps_what_lies_on_the_threshold(self, mock_model, sample_image):
        mock_model.predict.return_value = [guess("on", 0.7), guess("under", 0.6999)]

        result = InferenceService(model=mock_model, confidence_threshold=0.7).predict(sample_image)

        assert [item["label"] for item in result["predictions"]] == ["on"]

    def test_asks_for_half_certainty_by_default(self, mock_model, sample_image):
        mock_model.predict.return_value = [guess("on", 0.5), guess("under", 0.49)]

        result = InferenceService(mock_model).predict(sample_image)

        assert [item["label"] for item in result["predictions"]] == ["on"]

    def test_puts_the_surest_first(self, mock_model, sample_image):
        mock_model.predict.return_value = [guess("b", 0.6), guess("a", 0.9), guess("c", 0.7)]

        result = InferenceService(model=mock_model).predict(sample_image)

        assert [item["label"] for item in result["predictions"]] == ["a", "c", "b"]

    def test_says_so_where_nothing_was_seen(self, mock_model, sample_image):
        mock_model.predict.return_value = []

        result = InferenceService(model=mock_model).predict(sample_image)

        assert result == {"predictions": [], "count": 0, "dropped": 0}

    def test_keeps_what_else_the_model_tells(self, mock_model, sample_image):
        mock_model.predict.return_value = [guess("pig", 0.9, box=[1, 2, 3, 4])]

        result = InferenceService(model=mock_model).predict(sample_image)

        assert result["predictions"][0]["box"] == [1, 2, 3, 4]

    def test_leaves_the_models_own_answer_alone(self, mock_model, sample_image):
        answer = [guess("pig", np.float32(0.5))]
        mock_model.predict.return_value = answer

        result = InferenceService(model=mock_model).predict(sample_image)

        assert type(result["predictions"][0]["confidence"]) is float
        assert type(answer[0]["confidence"]) is np.float32

    def test_reads_an_answer_that_comes_bit_by_bit(self, mock_model, sample_image):
        mock_model.predict.return_value = iter([guess("pig", 1), guess("cow", 0)])

        result = InferenceService(mock_model, confidence_threshold=0).predict(sample_image)

        assert result["count"] == 2


class TestImages:
    @pytest.mark.parametrize(
        "shape", [(4, 4), (4, 4, 1), (4, 4, 3), (4, 4, 4), (1, 1)], ids=str
    )
    def test_takes_frames_in_grey_and_in_colour(self, mock_model, shape):
        image = np.full(shape, 255, dtype=np.uint8)

        assert InferenceService(model=mock_model).predict(image)["count"] == 1

    @pytest.mark.parametrize(
        ("image", "reason"),
        [
            (None, "NoneType"),
            (b"\xff\xd8\xff", "bytes"),
            ([[0, 1], [2, 3]], "list"),
            (np.zeros((0, 480, 3), dtype=np.uint8), "no pixels"),
            (np.zeros((4, 4), dtype=np.float64), "float64"),
            (np.zeros((4, 4), dtype=np.int8), "int8"),
            (np.zeros(16, dtype=np.uint8), "shape"),
            (np.zeros((4, 4, 2), dtype=np.uint8), "shape"),
            (np.zeros((1, 4, 4, 3), dtype=np.uint8), "shape"),
        ],
        ids=["none", "bytes", "list", "empty", "float", "signed", "flat", "two-channel", "batch"],
    )
    def test_refuses_what_is_no_frame(self, mock_model, image, reason):
        with pytest.raises(ValueError, match=f"Invalid image.*{reason}"):
            InferenceService(model=mock_model).predict(image)

        mock_model.predict.assert_not_called()


class TestModels:
    def test_needs_a_model(self):
        with pytest.raises(ValueError, match="a model is needed"):
            InferenceService(model=None)

    @pytest.mark.parametrize("threshold", [-0.01, 1.01, float("nan")])
    def test_refuses_a_threshold_that_is_no_share(self, mock_model, threshold):
        with pytest.raises(ValueError, match="confidence_threshold"):
            InferenceService(model=mock_model, confidence_threshold=threshold)

    @pytest.mark.parametrize("threshold", [0, 1])
    def test_takes_the_ends_of_the_scale_as_threshold(self, mock_model, sample_image, threshold):
        mock_model.predict.return_value = [guess("sure", 1.0)]

        service = InferenceService(model=mock_model, confidence_threshold=threshold)

        assert service.predict(sample_image)["count"] == 1

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            ({"confidence": 0.9}, "without a label"),
            ({"label": "", "confidence": 0.9}, "without a label"),
            ("pig", "without a label"),
            ({"label": "pig"}, "without a confidence"),
            ({"label": "pig", "confidence": "0.9"}, "without a confidence"),
            ({"label": "pig", "confidence": True}, "without a confidence"),
            ({"label": "pig", "confidence": 1.0001}, "outside 0 to 1"),
            ({"label": "pig", "confidence": -0.1}, "outside 0 to 1"),
            ({"label": "pig", "confidence": float("nan")}, "outside 0 to 1"),
        ],
    )
    def test_refuses_an_answer_that_breaks_the_contract(
        self, mock_model, sample_image, answer, reason
    ):
        mock_model.predict.return_value = [guess("pig", 0.9), answer]

        with pytest.raises(ModelError, match=reason):
            InferenceService(model=mock_model).predict(sample_image)

    def test_tells_a_models_failure_from_a_bad_image(self, mock_model, sample_image):
        mock_model.predict.side_effect = ValueError("out of memory")

        with pytest.raises(ModelError, match="out of memory") as caught:
            InferenceService(model=mock_model).predict(sample_image)

        assert isinstance(caught.value.__cause__, ValueError)
        assert not isinstance(caught.value, ValueError)
