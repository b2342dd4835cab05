"""Cases made from the reference monorepo by chance: the same seed and number, the same case."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from random import Random

from closeout.fs.tree import DiskTree
from closeout.resources import BUNDLE
from closeout.runs.workspace import REFERENCE
from tests.fuzz.operators import OPERATORS
from tests.fuzz.samples import SETTINGS, kept_run


class Kind(Enum):
    """What a case spoils, and so what is done with it."""

    TREE = "tree"
    PATCHES = "patches"
    RUN = "run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A spoiled monorepo, and what lies in the folder it is worked on from."""

    kind: Kind
    root: Mapping[str, bytes]
    """Files of the monorepo, by path."""
    home: Mapping[str, bytes]
    """Files of the folder for reports and prepared patches, by path."""
    story: tuple[str, ...] = ()
    """What was done to which file."""


_HEADERS = (
    b"../../outside/canary.txt",
    b"/etc/passwd",
    b"a/../../../x",
    b"./cloud-layer/../../x",
    b"cloud-layer//x",
    b"C:/x",
    b"a\\b",
    b".git/config",
    b".git/hooks/pre-commit",
    b'"quoted\\n"',
    b"x\ty",
    b"\xff",
    b"",
    b"/dev/null",
)
_PATCH_LINES = (
    b"new file mode 120000\n",
    b"deleted file mode 100644\n",
    b"old mode 100644\nnew mode 100755\n",
    b"rename from x\nrename to ../y\n",
    b"GIT binary patch\nliteral 1\nIc\n",
    b"@@ -0,0 +1 @@\n+x\n",
    b"@@ -1,999999999 +1,999999999 @@\n",
    b"--- a/x\n+++ b/../../x\n",
    b"\\ No newline at end of file\n",
    b"diff --git a/../x b/../x\n",
)
_NAMES = (
    "\n",
    "\r",
    "\x1b[31m",
    "'",
    '"',
    "|",
    "\udcff",
    "é",
    " ",
    "-",
    "$(x)",
    "\\",
    "%s",
    "{{x}}",
)


def make(seed: int, number: int) -> Case:
    """Return the case `number` of `seed`."""
    chance = Random(f"{seed}/{number}")  # noqa: S311 - to repeat it, not to keep a secret
    kind = chance.choice((Kind.TREE, Kind.TREE, Kind.TREE, Kind.PATCHES, Kind.RUN))
    root, story = _part(chance), []
    home: dict[str, bytes] = {}
    if kind is Kind.TREE:
        story += _spoil(chance, root, sorted(root), chance.choice((1, 2, 4, 8, 16)))
        story += _rename(chance, root)
    if kind is Kind.PATCHES:
        home = dict(_patches())
        story += _spoil_patches(chance, home)
    if kind is Kind.RUN:
        root, home = (dict(files) for files in kept_run())
        documents = [path for path in home if path.endswith(".json")]
        story += _spoil(chance, home, documents, chance.choice((1, 1, 2, 4)))
    return Case(kind=kind, root=root, home=home, story=tuple(story))


@cache
def _everything() -> Mapping[str, bytes]:
    tree = DiskTree(REFERENCE)
    files = {str(path): tree.read(path) or b"" for path in tree.paths()}
    return {**files, **SETTINGS}


@cache
def _patches() -> Mapping[str, bytes]:
    folder = BUNDLE / "patches"
    return {
        f"patches/{place.relative_to(folder).as_posix()}": place.read_bytes()
        for place in sorted(folder.rglob("*"))
        if place.is_file()
    }


def _part(chance: Random) -> dict[str, bytes]:
    """Return some services and some of what is shared: a whole monorepo would take longer."""
    folders = sorted({_folder(path) for path in _everything()})
    chosen = chance.sample(folders, chance.randint(1, 5))
    return {path: body for path, body in _everything().items() if _folder(path) in chosen}


def _folder(path: str) -> str:
    return "/".join(path.split("/")[:2]) if "/" in path else path


def _spoil(chance: Random, files: dict[str, bytes], paths: Sequence[str], times: int) -> list[str]:
    donors = sorted(_everything())
    story = []
    for _ in range(times if paths else 0):
        path = chance.choice(paths)
        other = files.get(chance.choice(paths)) or b""
        if chance.randrange(3) == 0:
            other = _everything()[chance.choice(donors)]
        operator = chance.choice(OPERATORS)
        files[path] = operator(chance, files[path], other)
        story.append(f"{operator.__name__} {path}")
    return story


def _rename(chance: Random, files: dict[str, bytes]) -> list[str]:
    """Give a file or a folder a name that is hard to show, or a kind that it is not."""
    if chance.randrange(4):
        return []
    path = chance.choice(sorted(files))
    parts = path.split("/")
    at = chance.randrange(len(parts))
    parts[at] = chance.choice((parts[at] + chance.choice(_NAMES), chance.choice(_NAMES)))
    moved = "/".join(parts)
    if any(item == moved or item.startswith(f"{moved}/") for item in files):
        return []
    files[moved] = files.pop(path)
    return [f"rename {path}"]


def _spoil_patches(chance: Random, home: dict[str, bytes]) -> list[str]:
    paths = [path for path in home if path.endswith(".patch")]
    story = []
    for _ in range(chance.choice((1, 2, 5))):
        path = chance.choice(paths)
        spoil = chance.choice((_other_header, _other_header, _other_line, None))
        if spoil is None:
            story += _spoil(chance, home, [path], 1)
        else:
            home[path] = spoil(chance, home[path])
            story.append(f"{spoil.__name__[1:]} {path}")
    index = "patches/index.json"
    if chance.randrange(5) == 0:
        story += _spoil(chance, home, [index], 1)
    else:
        home[index] = _sealed(home)
    return story


def _other_header(chance: Random, content: bytes) -> bytes:
    """Name another path, in one of a section's headers or in all of them."""
    old = content.split(b" b/", 1)[-1].split(b"\n", 1)[0]
    new = chance.choice(_HEADERS)
    if not old:
        return content
    if chance.randrange(2):
        return content.replace(old, new)
    before, _, after = content.partition(old)
    return before + old + after.replace(old, new, chance.randint(1, 3))


def _other_line(chance: Random, content: bytes) -> bytes:
    """Put a line in that only a patch can have."""
    lines = content.splitlines(keepends=True)
    lines.insert(chance.randint(0, min(len(lines), 12)), chance.choice(_PATCH_LINES))
    return b"".join(lines)


def _sealed(home: Mapping[str, bytes]) -> bytes:
    """Return the index with the digests of the spoiled patches, so that they are really tried."""
    index = json.loads(home["patches/index.json"])
    for slug, entries in index.items():
        for entry in entries:
            content = home[f"patches/{slug}/{entry['file']}"]
            entry["sha256"] = hashlib.sha256(content).hexdigest()
    return json.dumps(index).encode()
