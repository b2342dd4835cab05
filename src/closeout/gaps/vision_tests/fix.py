"""Install the vision suite where it fits."""

from __future__ import annotations

from closeout.gaps.vision_tests import requirements
from closeout.gaps.vision_tests.demand import VISION_SERVICE
from closeout.gaps.vision_tests.rules import RULES, pytest_configurations, survey
from closeout.gaps.vision_tests.suites import SCAFFOLD, SUITES
from closeout.harness import suite_choice, suite_install
from closeout.model import Changeset, Tree


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return the suite's files, for what the rules still find, and the packages that run it."""
    seen = survey(tree)
    open_paths = suite_install.open_paths(RULES, seen)
    if not open_paths:
        return ()
    made = suite_choice.laid(
        SUITES,
        seen,
        open_paths,
        left_out={"pytest.ini"} if pytest_configurations(tree) else set(),
        alone={"conftest.py", "pytest.ini"},
        scaffold=SCAFFOLD,
    )
    edits = tuple(requirements.listed(tree, VISION_SERVICE)) if made.edits else ()
    packages = Changeset(name="vision-requirements", edits=edits)
    return tuple(item for item in (made, packages) if item.edits or item.unresolved)
