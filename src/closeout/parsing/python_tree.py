"""Parse Python into a syntax tree, and refuse what is too large or nests too deeply."""

from __future__ import annotations

import ast
import warnings

from closeout.parsing.bounds import MOST_BYTES
from closeout.parsing.python_walk import nesting

_DEEPEST = 150
"""Levels of one expression; sources of people have about fifteen, and who reads them recurses."""


def parsed(content: bytes) -> ast.Module:
    """Return the syntax tree; raises SyntaxError, whose `lineno` may be None, for anything else."""
    if len(content) > MOST_BYTES:
        raise _refusal(f"{len(content):,} bytes are too many for a source", 1)
    try:
        text = content.decode("utf-8-sig")
        with warnings.catch_warnings():
            # A foreign file's own warnings, such as an invalid escape, are no news here.
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except UnicodeDecodeError as error:
        raise _refusal("not UTF-8", content.count(b"\n", 0, error.start) + 1) from error
    except ValueError as error:
        raise _refusal(str(error), 1) from error
    except (RecursionError, MemoryError) as error:
        raise _refusal("nested too deeply to be parsed", 1) from error
    if nesting(tree) > _DEEPEST:
        raise _refusal(f"an expression that nests more than {_DEEPEST} deep", 1)
    return tree


def _refusal(detail: str, line: int) -> SyntaxError:
    error = SyntaxError(detail)
    error.lineno = line
    return error
