"""What live tests share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder where Node packages are installed once for all tests."""
    return tmp_path_factory.mktemp("cache")
