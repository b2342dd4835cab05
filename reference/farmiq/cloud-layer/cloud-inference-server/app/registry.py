"""Models by name and version; linear ones, so that a prediction can be checked by hand."""

from pydantic import BaseModel, Field


class LinearModel(BaseModel):
    """A weighted sum with a constant."""

    name: str = Field(min_length=1, pattern="^[a-z0-9-]+$")
    version: str = Field(min_length=1)
    weights: list[float] = Field(min_length=1, max_length=512)
    constant: float = 0.0

    def predict(self, features: list[float]) -> float:
        """Return the weighted sum; raise ValueError for a row of the wrong width."""
        if len(features) != len(self.weights):
            raise ValueError(f"expected {len(self.weights)} features, got {len(features)}")
        pairs = zip(self.weights, features, strict=True)
        return self.constant + sum(weight * feature for weight, feature in pairs)


class Registry:
    """The models this process serves."""

    def __init__(self) -> None:
        self._models: dict[str, LinearModel] = {}

    def put(self, model: LinearModel) -> bool:
        """Store a model; return whether its name is new."""
        new = model.name not in self._models
        self._models[model.name] = model
        return new

    def get(self, name: str) -> LinearModel | None:
        """Return the model, or None."""
        return self._models.get(name)

    def names(self) -> list[str]:
        """Return every name, sorted."""
        return sorted(self._models)
