"""Install the billing suite where it fits, and let the test script fail without tests."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath

from closeout.fs.text_edit import spliced
from closeout.gaps.billing_tests import jest_package
from closeout.gaps.billing_tests.rules import (
    CONFIGURATION,
    PACKAGE,
    RULES,
    jest_configurations,
    survey,
)
from closeout.gaps.billing_tests.suites import SUITES
from closeout.harness import suite_choice, suite_install
from closeout.harness.service_copy import TEST_FILE
from closeout.harness.suite_install import Tested
from closeout.model import Changeset, Edit, Reason, Tree, Unresolved

_RUNNER = ("jest", "ts-jest")
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


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return the suite and the test script's change, for what the rules still find."""
    seen = survey(tree)
    open_paths = suite_install.open_paths(RULES, seen)
    content = tree.read(PACKAGE)
    read = None if content is None else jest_package.read(content)
    if not open_paths or content is None or read is None:
        return ()
    made = (_suite(seen, open_paths, read), _script(tree, content, read))
    return tuple(item for item in made if item.edits or item.unresolved)


def _suite(
    seen: Tested, open_paths: set[PurePosixPath], read: jest_package.JestPackage
) -> Changeset:
    absent = [name for name in _RUNNER if name not in read.packages]
    if absent:
        lost = Unresolved(
            path=PACKAGE,
            reason=Reason.MISSING,
            line=read.line,
            detail=f"the suite needs {' and '.join(absent)}, which the service does not install",
            hint=f"npm install --save-dev --save-exact {' '.join(absent)}, then run this again.",
        )
        return Changeset(name="billing-suite", edits=(), unresolved=(lost,))
    configured = read.configures_jest or jest_configurations(seen)
    tests = any(TEST_FILE.search(path.name) for path in seen.paths)
    laid = suite_choice.laid(
        SUITES,
        seen,
        open_paths,
        left_out={CONFIGURATION.name} if configured else set(),
        # A configuration without a test only changes how `npm test` fails.
        alone={CONFIGURATION.name} if tests else set(),
    )
    adapted = map(_adapted, laid.edits) if read.is_of_es_modules else laid.edits
    return replace(laid, edits=tuple(adapted))


def _adapted(edit: Edit) -> Edit:
    """Return a file of the suite as a package of ES modules reads it, by the names Node resolves.

    Such a package takes every `.js` for an ES module, so a configuration that says `module.exports`
    is a `.cjs`, and imports name the file that tsc will write. jest itself is given CommonJS.
    """
    if edit.path.suffix == ".js":
        after = _TRANSFORM.sub(lambda _: _AS_COMMONJS, edit.after)
        return replace(edit, path=edit.path.with_suffix(".cjs"), after=after)
    return replace(edit, after=_IMPORT.sub(rb"\1\2\3.js\2", edit.after))


def _script(tree: Tree, content: bytes, read: jest_package.JestPackage) -> Changeset:
    if jest_package.trouble(read) is None:
        return Changeset(name="test-script", edits=())
    change = jest_package.mended(content, read)
    if change is None:
        lost = Unresolved(
            path=PACKAGE,
            reason=Reason.AMBIGUOUS,
            line=read.line,
            detail="the test script's place in package.json is not plain",
            hint='write `"test": "jest"` into its scripts.',
        )
        return Changeset(name="test-script", edits=(), unresolved=(lost,))
    return Changeset(name="test-script", edits=(spliced(tree, PACKAGE, [change]),))
