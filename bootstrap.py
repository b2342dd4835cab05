"""Make this checkout's environment from its pins, then run a command in it.

    python3 bootstrap.py invoke fix.all
    python3 bootstrap.py nox -s tests

Standard library only: it runs before anything is installed.
"""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

HOME = Path(__file__).resolve().parent
VENV = HOME / ".venv"
PINS = HOME / "requirements" / "closeout.txt"
STAMP = VENV / "made-from"
OLDEST = (3, 11)


def main(command: list[str]) -> int:
    """Run `command` in the environment and return its exit code."""
    if sys.version_info < OLDEST:
        sys.exit("error: python-too-old\n  3.11 is needed.\nhint: python3.11 bootstrap.py")
    if not command:
        sys.exit(f"error: no-command\n  nothing to run.\nhint: {__doc__}")
    wanted = hashlib.sha256(PINS.read_bytes() + sys.version.encode()).hexdigest()
    if not STAMP.is_file() or STAMP.read_text() != wanted:
        _make()
        STAMP.write_text(wanted)
    programs = VENV / ("Scripts" if os.name == "nt" else "bin")
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    environment["VIRTUAL_ENV"] = str(VENV)
    argv = [programs / command[0], *command[1:]]
    return subprocess.run(argv, env=environment, check=False).returncode


def _make() -> None:
    sys.stderr.write(f"installing the pinned packages into {VENV.name}/\n")
    try:
        venv.EnvBuilder(clear=True, with_pip=True).create(VENV)
    except subprocess.CalledProcessError:
        sys.exit(
            "error: no-ensurepip\n  this Python cannot make environments.\n"
            "hint: install the system's python3-venv package."
        )
    pip = [
        VENV / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", PINS], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "-e", HOME], check=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
