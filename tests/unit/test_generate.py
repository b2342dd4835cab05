"""Rendered files are as their templates give them, and a difference names the template."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from closeout.errors import ExitCode
from closeout.resources import BUNDLE
from tools import generate


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the rendered files that this project commits."""
    home = tmp_path_factory.mktemp("home")
    assert generate.render(home) is ExitCode.SETTLED
    return home


@pytest.fixture
def home(rendered: Path, tmp_path: Path) -> Path:
    """Return a copy that a test may edit."""
    shutil.copytree(rendered, tmp_path / "home")
    return tmp_path / "home"


def test_render_gives_the_committed_files_byte_for_byte(rendered: Path) -> None:
    """What stands in the repository is what the templates give now."""
    made = [place for place in sorted((rendered / "k8s").rglob("*")) if place.is_file()]
    assert len(made) > 30
    for place in made:
        assert place.read_bytes() == (BUNDLE / place.relative_to(rendered)).read_bytes()


@pytest.mark.parametrize(
    ("path", "template"),
    [
        (
            "k8s/external-secrets/cloud-billing-service-external-secret.yaml",
            "templates/external-secrets/external-secret.yaml.j2",
        ),
        (
            "k8s/overlays/external-secrets/dev/kustomization.yaml",
            "templates/external-secrets/overlay.yaml.j2",
        ),
        ("k8s/external-secrets/install.sh", "templates/external-secrets/install.sh.j2"),
        ("k8s/backup-alerts.yaml", "templates/backup/backup-alerts.yaml.j2"),
        ("edge-mqtt-broker/mosquitto.prod.conf", "templates/mqtt-tls/mosquitto.prod.conf.j2"),
    ],
)
def test_check_rendered_names_the_template_when_a_file_was_edited(
    home: Path, capsys: pytest.CaptureFixture[str], path: str, template: str
) -> None:
    """One blank more is enough, and the message says where the change belongs."""
    place = home / path
    place.write_bytes(place.read_bytes() + b" ")
    assert generate.check_rendered(home) is ExitCode.GAPS_LEFT
    assert f"{path}: differs from what {template} gives" in capsys.readouterr().out


def test_check_rendered_fails_when_a_file_is_gone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deleted manifest is no smaller set of manifests."""
    (home / "k8s/external-secrets/cluster-secret-store.yaml").unlink()
    assert generate.check_rendered(home) is ExitCode.GAPS_LEFT
    assert "cluster-secret-store.yaml: missing" in capsys.readouterr().out


def test_check_rendered_passes_when_nothing_was_edited(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Near miss: files that nothing renders may stand beside the others."""
    (home / "k8s/of-somebody-else.yaml").write_text("a: b\n")
    assert generate.check_rendered(home) is ExitCode.SETTLED
    assert "files as generated" in capsys.readouterr().out
