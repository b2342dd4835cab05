"""Settings from the environment."""

from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Every knob of the service."""

    service_name: str = "cloud-feed-planner"
    app_port: int = 5151
    database_url: str = ""
    testing: bool = False
    max_plans: int = 10_000


settings = Settings()
