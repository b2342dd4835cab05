"""One settings object for the whole process."""

import os


class Settings:
    """Read the environment at the first use and keep the answer."""

    _instance = None

    def __new__(cls):
        if cls._instance is None:
            cls._instance = super().__new__(cls)
            cls._instance._load()
        return cls._instance

    def _load(self) -> None:
        self.service_name = "cloud-advanced-analytics"
        self.port = int(os.environ.get("APP_PORT", "5146"))
        self.database_url = os.environ.get("DATABASE_URL", "")
        self.redis_url = os.environ.get("REDIS_URL", "")
        self.horizon_days = int(os.environ.get("FORECAST_HORIZON_DAYS", "14"))
        self.anomaly_sigma = float(os.environ.get("ANOMALY_SIGMA", "3.0"))
        self.testing = os.environ.get("TESTING", "false").lower() == "true"
