"""Settings, read once from the environment."""

import os


class Config:
    """Plain attributes; a test sets the environment before it imports this."""

    PORT = int(os.getenv("APP_PORT", "5124"))
    DATABASE_URL = os.getenv("DATABASE_URL", "")
    RABBITMQ_URL = os.getenv("RABBITMQ_URL", "")
    LOG_LEVEL = os.getenv("LOG_LEVEL", "INFO")
    TESTING = os.getenv("TESTING", "false").lower() == "true"
