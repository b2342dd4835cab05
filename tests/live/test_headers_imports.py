"""A mended service's new module is imported as the package it stands in imports its own."""

import os
import subprocess
from pathlib import Path

import pytest

from closeout.fs.tree import MemoryTree, Overlay
from closeout.fs.writer import copy_tree
from closeout.gaps.cors import GAP as CORS
from closeout.gaps.headers import GAP as HEADERS

pytestmark = [pytest.mark.live, pytest.mark.needs("services-env")]

START = b"from fastapi import FastAPI\nfrom fastapi.middleware.cors import CORSMiddleware\n"
OPEN = b"""app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
"""
IMAGE = b'FROM python:3.12\nWORKDIR /srv\n%s\nCMD ["uvicorn", "%s", "--host", "0.0.0.0"]\n'
SETTINGS = b'TITLE = "Barn"\n'
TREES = {
    "a package by its own name": (
        {
            "gate/__init__.py": b"",
            "gate/main.py": START + b"from gate.settings import TITLE\n" + OPEN,
            "gate/settings.py": SETTINGS,
            "gate/Dockerfile": IMAGE % (b"COPY gate/ ./gate/", b"gate.main:app"),
        },
        ".",
        "gate.main",
    ),
    "a package by dots": (
        {
            "yard/app/__init__.py": b"",
            "yard/app/main.py": START + b"from .settings import TITLE\n" + OPEN,
            "yard/app/settings.py": SETTINGS,
            "yard/Dockerfile": IMAGE % (b"COPY app app", b"app.main:app"),
        },
        "yard",
        "app.main",
    ),
    "modules without a package": (
        {
            "loft/main.py": START + b"from settings import TITLE\n" + OPEN,
            "loft/settings.py": SETTINGS,
            "loft/Dockerfile": IMAGE % (b"COPY . .", b"main:app"),
        },
        "loft",
        "main",
    ),
    "an application in a folder below": (
        {
            "desk/main.py": START
            + b"from api.v1.feed import feed\n"
            + OPEN
            + b'app.mount("/f", feed)\n',
            "desk/settings.py": SETTINGS,
            "desk/api/__init__.py": b"",
            "desk/api/v1/__init__.py": b"",
            "desk/api/v1/feed.py": START
            + b"from settings import TITLE\n"
            + OPEN.replace(b"app", b"feed"),
            "desk/Dockerfile": IMAGE % (b"COPY . .", b"main:app"),
        },
        "desk",
        "main",
    ),
}


@pytest.mark.parametrize("case", TREES)
def test_mended_service_is_imported_as_its_image_starts_it(case: str, tmp_path: Path) -> None:
    """The whole fix of two gaps is written, and the module loaded by an interpreter of its own."""
    files, folder, module = TREES[case]
    laid = files | {f"{next(iter(files)).split('/')[0]}/requirements.txt": b"fastapi\nuvicorn\n"}
    overlay = Overlay(MemoryTree(laid))
    for gap in (CORS, HEADERS):
        for change in gap.fix(overlay):
            assert not change.unresolved
            for edit in change.edits:
                overlay.lay(edit)
    changed = {str(edit.path) for edit in overlay.edits}
    assert {Path(path).name for path in changed} >= {"cors.py", "security_headers.py"}
    copy_tree(overlay, tmp_path / "tree")
    told = f"import sys, {module}; print([*filter(lambda x: 'security_h' in x, sys.modules)])"
    done = subprocess.run(
        [os.environ["CLOSEOUT_LIVE_PYTHON"], "-c", told],
        cwd=tmp_path / "tree" / folder,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = f"{module.rpartition('.')[0]}.security_headers".lstrip(".")
    assert f"'{loaded}'" in done.stdout
