"""One arena for each module: what is attacked is renewed, not made again."""

import pytest

from tests.attack import arena


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> arena.Arena:
    """Return a small monorepo with a fix that is planned."""
    return arena.made(tmp_path_factory.mktemp("arena"))
