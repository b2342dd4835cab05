"""What installs pins: the few modules that have to work before anything is installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import closeout

MODULES = (
    "__init__.py",
    "errors.py",
    "resources.py",
    "process/__init__.py",
    "process/pace.py",
    "harness/__init__.py",
    "harness/environments.py",
    "harness/installation.py",
)


def copy_installer(package: Path) -> None:
    """Copy the modules into `package`, a folder called `closeout` that may be there already."""
    source = Path(closeout.__file__).parent
    for name in MODULES:
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / name, package / name)
