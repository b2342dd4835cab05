"""Lay the suite as a package of ES modules reads it: by the names that Node resolves there.

Such a package takes every `.js` for an ES module, so a configuration that says `module.exports`
is a `.cjs`, and imports name the file that tsc will write. jest itself is given CommonJS.
"""

from __future__ import annotations

import re
from dataclasses import replace

from closeout.model import Changeset, Edit

_TRANSFORM = re.compile(rb"^  transform: .*$", re.MULTILINE)
_AS_COMMONJS = b"""\
  // The package is one of ES modules, whose imports name the files that tsc writes.
  moduleNameMapper: { '^(\\\\.{1,2}/.*)\\\\.js$': '$1' },
  transform: {
    '^.+\\\\.ts$': [
      'ts-jest',
      {
        diagnostics: false,
        tsconfig: {
          target: 'ES2022',
          module: 'CommonJS',
          moduleResolution: 'Node10',
          esModuleInterop: true,
          isolatedModules: true,
        },
      },
    ],
  },"""
_IMPORT = re.compile(rb"""(\bfrom )(['"])(\.{1,2}/[^'"\n]*?)(?<!\.js)\2""")


def as_es_modules(laid: Changeset) -> Changeset:
    """Return the suite's changeset for a package of ES modules."""
    return replace(laid, edits=tuple(_adapted(edit) for edit in laid.edits))


def _adapted(edit: Edit) -> Edit:
    if edit.path.suffix == ".js":
        after = _TRANSFORM.sub(lambda _: _AS_COMMONJS, edit.after)
        return replace(edit, path=edit.path.with_suffix(".cjs"), after=after)
    return replace(edit, after=_IMPORT.sub(rb"\1\2\3.js\2", edit.after))
