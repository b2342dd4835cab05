"""An image that starts another program than the app says nothing of the app as it is deployed."""

from pathlib import PurePosixPath

import pytest

from closeout.fs.tree import MemoryTree
from closeout.harness.started_program import other_program

_COMPOSE = "services:\n  barn:\n    build: ./barn\n"


def _other(dockerfile: str = "", compose: str = "", **files: str) -> str:
    tree = {"barn/app/main.py": "", "barn/Dockerfile": dockerfile, "docker-compose.yml": compose}
    tree |= {f"barn/{name}": text for name, text in files.items()}
    held = {name: text.encode() for name, text in tree.items() if text or name.endswith(".py")}
    return other_program(MemoryTree(held), PurePosixPath("barn"))


@pytest.mark.parametrize(
    ("dockerfile", "told"),
    [
        ('FROM a\nCMD ["uvicorn", "app.main:app"]\n', ""),
        ("FROM a\nCMD exec gunicorn -k uvicorn.workers.UvicornWorker app.main:app\n", ""),
        ('FROM a\nCMD ["python", "-m", "app.main"]\n', ""),
        ('FROM a\nCMD ["python", "main.py"]\n', ""),
        ('FROM a\nENTRYPOINT ["tini", "--"]\nCMD ["ddtrace-run", "uvicorn", "app.main:app"]\n', ""),
        ("FROM a\nCMD alembic upgrade head && uvicorn app.main:app\n", ""),
        ('FROM a\nENTRYPOINT ["/start.sh"]\n', ""),
        ('FROM a\nCMD ["npm", "start"]\n', ""),
        ("FROM a\n", ""),
        ("", ""),
        ('FROM a\nCMD ["python", "-m", "feast", "ui", "--port", "1"]\n', "python -m feast ui"),
        ('FROM a\nCMD ["mlflow", "server", "--uri", "p://u:secret@h"]\n', "mlflow server"),
        ('FROM a\nCMD ["uvicorn", "a:b"]\nFROM c\nCMD ["tritonserver", "-x"]\n', "tritonserver -x"),
        ("FROM a\nENV A=1\nCMD nginx -g 'daemon off;'\n", "nginx -g 'daemon off;'"),
    ],
)
def test_the_shipped_stages_last_command_says_what_is_started(dockerfile: str, told: str) -> None:
    """A server, a runtime and a file of the service may start the app; options are not shown."""
    start = {"start.sh": "uvicorn app.main:app\n"} if "start.sh" in dockerfile else {}
    assert _other(dockerfile, **start) == told


def test_a_compose_file_may_start_the_app_where_the_image_does_not() -> None:
    """One way of starting it is enough; an override of the command replaces the image's."""
    image = 'FROM a\nCMD ["mlflow", "server"]\n'
    assert _other(image, _COMPOSE) == "mlflow server"
    assert not _other(image, f"{_COMPOSE}    command: uvicorn app.main:app\n")
    started = 'FROM a\nCMD ["uvicorn", "app.main:app"]\n'
    assert _other(started, f"{_COMPOSE}    command: [mlflow, server, --port, '1']\n") == (
        "mlflow server"
    )
