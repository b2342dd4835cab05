"""Choose the YAML parser: libyaml's where PyYAML was built with it, a dozen times faster."""

from __future__ import annotations

from typing import Any


def safe_loader() -> Any:  # noqa: ANN401 - PyYAML ships no types
    """Return the class that reads plain data only; its marks count characters either way."""
    import yaml  # noqa: PLC0415 - slow to import, and many runs never ask for it

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)
