"""Settings, read once from the environment."""

import os


class Settings:
    """What the service needs to know about the box it runs on."""

    def __init__(self) -> None:
        self.service_name = os.getenv("SERVICE_NAME", "edge-vision-inference")
        self.port = int(os.getenv("APP_PORT", "5107"))
        self.database_url = os.getenv("DATABASE_URL", "")
        self.model_path = os.getenv("MODEL_PATH", "/models/weight-estimator.onnx")
        self.model_version = os.getenv("MODEL_VERSION", "2024.11")
        self.confidence_threshold = float(os.getenv("CONFIDENCE_THRESHOLD", "0.5"))
        self.max_frame_pixels = int(os.getenv("MAX_FRAME_PIXELS", "1000000"))
        self.log_level = os.getenv("LOG_LEVEL", "info")
        self.testing = os.getenv("TESTING", "").lower() in {"1", "true", "yes"}


settings = Settings()
