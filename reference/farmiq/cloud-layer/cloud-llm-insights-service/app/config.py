"""Settings from the environment or a local .env file."""

from functools import lru_cache

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every knob of the service; `testing` skips what needs a network."""

    model_config = SettingsConfigDict(env_file=".env", extra="ignore", protected_namespaces=())

    service_name: str = "cloud-llm-insights-service"
    app_port: int = 5134
    log_level: str = "INFO"
    testing: bool = False
    database_url: str = ""
    llm_api_key: str = ""
    llm_model: str = "farm-summary-small"
    rate_limit: str = "120/minute"
    max_points: int = 2000


@lru_cache
def get_settings() -> Settings:
    """Return the one Settings of this process."""
    return Settings()
