"""Where this installation keeps its patches, templates, suites and reference monorepo."""

from __future__ import annotations

from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]
_WHEEL = Path(__file__).resolve().parent / "_bundle"

BUNDLE = _CHECKOUT if (_CHECKOUT / "reference").is_dir() else _WHEEL
"""The project's checkout, or the copy that the wheel carries."""
