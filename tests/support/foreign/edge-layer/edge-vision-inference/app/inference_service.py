from pathlib import Path


class InferenceService:
    def __init__(self, config):
        self.config = config
        self.model_version = config.MODEL_VERSION
        self.confidence_threshold = config.CONFIDENCE_THRESHOLD

    async def run_inference(self, image_path, metadata=None):
        place = Path(image_path)
        if not place.is_file():
            raise FileNotFoundError(f"there is no {place}")
        size = place.stat().st_size
        notes = {"image_path": str(place), "file_size_bytes": size, "stub_mode": True}
        return {
            "predicted_weight_kg": size % 1000 / 100,
            "confidence": min(0.95, round(0.5 + size % 100 / 200, 4)),
            "model_version": self.model_version,
            "metadata": {**notes, **(metadata or {})},
        }

    def get_model_info(self):
        path = self.config.MODEL_PATH
        return {
            "model_version": self.model_version,
            "model_path": path or "stub",
            "confidence_threshold": self.config.CONFIDENCE_THRESHOLD,
            "nms_threshold": self.config.NMS_THRESHOLD,
            "status": "ready" if path else "stub_mode",
        }
