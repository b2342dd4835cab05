"""Copy a service to where a runner may write, and disarm what hides code from its measure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from closeout import writer
from closeout.anchors import testcases
from closeout.tree import DiskTree

BILLING_SERVICE = PurePosixPath("cloud-layer/cloud-billing-service")
VISION_SERVICE = PurePosixPath("edge-layer/edge-vision-inference")

TEST_FILE = re.compile(r"(\.test|\.spec)\.tsx?$|(^|/)test_[^/]*\.py$")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCopy:
    """A copy of a service and the folder beside it that the runner writes to."""

    folder: Path
    output: Path

    def paths(self) -> Iterable[str]:
        """Return the copy's files, relative to it."""
        return (str(path) for path in DiskTree(self.folder).paths())

    def suites(self) -> dict[str, testcases.Suite]:
        """Return every test file as it reads."""
        found = {}
        for path in self.paths():
            if TEST_FILE.search(path):
                read = testcases.read_python if path.endswith(".py") else testcases.read_typescript
                found[path] = read((self.folder / path).read_bytes())
        return found

    def written(self, name: str) -> bytes:
        """Return what the runner wrote to `name`; nothing where it did not."""
        place = self.output / name
        return place.read_bytes() if place.is_file() else b""

    def disarm(self, hint: re.Pattern[bytes], glob: str) -> int:
        """Spoil every comment that is a `hint` to the runner, in the copy; return how many.

        The pattern's first group is kept, the rest of the match is replaced.
        """
        count = 0
        for path in self.folder.glob(glob):
            content, found = hint.subn(rb"\1 seen", path.read_bytes())
            if found:
                path.write_bytes(content)
                count += found
        return count

    def shown(self, argv: Sequence[str | Path], names: Mapping[str, str]) -> str:
        """Return the command as a person would type it, without this machine's folders."""
        words = [str(word) for word in argv]
        return " ".join(names.get(word, word.replace(str(self.output), "OUT")) for word in words)


def copy(root: Path, service: PurePosixPath, scratch: Path) -> ServiceCopy | None:
    """Return a copy of `service` below `scratch`; None where `root` has no such folder."""
    if not (root / service).is_dir():
        return None
    made = ServiceCopy(folder=scratch / service.name, output=scratch / f"{service.name}-output")
    writer.copy_tree(DiskTree(root / service), made.folder)
    made.output.mkdir(parents=True)
    return made
