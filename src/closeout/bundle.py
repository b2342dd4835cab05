"""Where this installation keeps its patches, templates, suites and reference monorepo.

`python -m closeout.bundle requirements/closeout.txt` prints where that file lies: it needs nothing
but the standard library, so that a workflow can install the pins by it.
"""

from __future__ import annotations

import sys
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_WHEEL = Path(__file__).resolve().parent / "_bundle"

BUNDLE = _CHECKOUT if (_CHECKOUT / "reference").is_dir() else _WHEEL
"""The project's checkout, or the copy that the wheel carries."""

if __name__ == "__main__":
    sys.stdout.write(f"{BUNDLE / sys.argv[1]}\n")
