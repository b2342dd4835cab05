"""What an edit needs in an image is copied there, by whatever way its Dockerfile copies."""

from pathlib import PurePosixPath
from time import process_time

import pytest

from closeout.formats.dockerfile import copies, instructions, started
from closeout.formats.images import home_for, images, shipped
from closeout.fs.tree import MemoryTree, Overlay
from closeout.model import Changeset, Edit

MAIN = PurePosixPath("svc/main.py")
HELPER = PurePosixPath("svc/cors.py")
BUILT = b"services:\n  svc:\n    build: {context: ., dockerfile: docker/svc.Dockerfile}\n"


def _changed(*new: PurePosixPath) -> Changeset:
    after = b"".join(b"import " + path.stem.encode() + b"\n" for path in new)
    made = [Edit(path=path, before=None, after=b"A = 1\n") for path in new]
    return Changeset(name="svc", edits=(Edit(path=MAIN, before=b"\n", after=after), *made))


def _recipe(files: dict[str, bytes], recipe: str) -> bytes | None:
    tree = MemoryTree({str(MAIN): b"\n", **files})
    (change,) = shipped(tree, [_changed(HELPER)])
    again = Overlay(tree, change.edits)
    assert list(shipped(again, [_changed(HELPER)])) == [_changed(HELPER)]
    return next((edit.after for edit in change.edits if str(edit.path) == recipe), None)


def test_instructions_are_read_over_continued_lines_and_comments() -> None:
    """A comment between two continued lines belongs to neither."""
    text = b'# FROM a\nFROM node AS build\nRUN a \\\n  # why\n  && b\ncmd ["node"]\n'
    found = [(item.word, item.rest) for item in instructions(text)]
    assert found == [("FROM", "node AS build"), ("RUN", "a    && b"), ("CMD", '["node"]')]
    assert started(b"FROM a\nCMD one\nFROM b\nWORKDIR /srv\nCMD two\n") == "/srv\ntwo"


@pytest.mark.parametrize(
    ("line", "path", "place"),
    [
        (b"COPY . .", "a/b.py", "/app/a/b.py"),
        (b"COPY a /srv/", "a/b.py", "/srv/b.py"),
        (b"COPY a/b.py ./", "a/b.py", "/app/b.py"),
        (b"COPY a/b.py x.py", "a/b.py", "/app/x.py"),
        (b"COPY a/*.py .", "a/b.py", "/app/b.py"),
        (b'COPY --chown=1 ["a/b.py", "c d.py", "/srv"]', "c d.py", "/srv/c d.py"),
        (b"COPY a/*.py .", "a/c/b.py", None),
        (b"COPY --from=build a/b.py .", "a/b.py", None),
        (b"COPY $SOURCES .", "a/b.py", None),
    ],
)
def test_copy_says_where_a_file_goes(line: bytes, path: str, place: str | None) -> None:
    """As the builder places it: by the working folder, below a folder, under another name."""
    found = [item.place(PurePosixPath(path)) for item in copies(b"FROM x\nWORKDIR /app\n" + line)]
    assert [str(item) for item in found if item] == ([place] if place else [])


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"COPY main.py .\n", b"COPY main.py .\nCOPY cors.py /app/cors.py\n"),
        (b"COPY main.py .", b"COPY main.py .\nCOPY cors.py /app/cors.py\n"),
        (
            b"COPY --chown=web main.py a.py /srv/\nCMD x\n",
            b"COPY --chown=web main.py a.py /srv/\nCOPY --chown=web cors.py /srv/cors.py\nCMD x\n",
        ),
        (b"COPY . .\n", None),
        (b"COPY *.py ./\n", None),
        (b"COPY requirements.txt .\n", None),
    ],
)
def test_image_that_copies_single_files_gets_the_new_one(
    before: bytes, after: bytes | None
) -> None:
    """A helper that is not in the image ends the service at its first import."""
    head = b"FROM python\nWORKDIR /app\n"
    found = _recipe({"svc/Dockerfile": head + before}, "svc/Dockerfile")
    assert found == (after and head + after)


def test_image_that_copies_single_files_gets_what_the_new_one_imports() -> None:
    """Whichever is written first: without it the service would not start."""
    store = PurePosixPath("svc/store.py")
    change = _changed(HELPER)
    helper = Edit(path=HELPER, before=None, after=b"import store\n")
    kept = Edit(path=store, before=None, after=b"A = 1\n")
    tree = MemoryTree({str(MAIN): b"\n", "svc/Dockerfile": b"FROM a\nCOPY main.py /app/\n"})
    for edits in ((change.edits[0], helper, kept), (change.edits[0], kept, helper)):
        (made,) = shipped(tree, [Changeset(name="svc", edits=edits)])
        recipe = next(edit.after for edit in made.edits if edit.path.name == "Dockerfile")
        assert set(recipe.splitlines()[1:]) == {
            b"COPY main.py /app/",
            b"COPY cors.py /app/cors.py",
            b"COPY store.py /app/store.py",
        }


def test_image_of_another_folder_is_read_in_its_context() -> None:
    """Compose says from where; without it, the folder in which the sources stand."""
    recipe = b"FROM python\nCOPY svc/main.py /srv/\n"
    for more in ({"compose.yml": BUILT}, {}):
        files = {"docker/svc.Dockerfile": recipe, **more}
        made = _recipe(files, "docker/svc.Dockerfile")
        assert made == recipe + b"COPY svc/cors.py /srv/cors.py\n"
    (image,) = images(MemoryTree({"docker/svc.Dockerfile": recipe, str(MAIN): b""}))
    assert image.context == PurePosixPath()


def test_image_of_a_part_gets_no_file_of_its_sibling() -> None:
    """Two helpers of one name: each is copied for the code beside it alone."""
    parts = ("svc/pages", "svc/links")
    edits = []
    for part in parts:
        home = PurePosixPath(part)
        edits += [
            Edit(path=home / "main.py", before=b"\n", after=b"from .cors import A\n"),
            Edit(path=home / "cors.py", before=None, after=b"A = 1\n"),
        ]
    recipe = b"FROM node AS pages\nWORKDIR /app\nCOPY pages/ .\nFROM python\nCOPY . /srv/\n"
    files = {f"{part}/main.py": b"\n" for part in parts} | {"svc/Dockerfile": recipe}
    (change,) = shipped(MemoryTree(files), [Changeset(name="svc", edits=tuple(edits))])
    assert [edit for edit in change.edits if edit.path.name == "Dockerfile"] == []


@pytest.mark.parametrize(
    ("lines", "home"),
    [
        (b"COPY shared /app/shared\n", "shared/config/x.js"),
        (b"COPY shared/web /app/shared/web\n", "shared/web/config/x.js"),
        (b"COPY . .\n", "config/x.js"),
        (b"COPY services services\n", "config/x.js"),
    ],
)
def test_helper_of_a_shared_folder_lands_in_what_the_image_copies(lines: bytes, home: str) -> None:
    """The manifest's folder is the usual place, and no image need have it."""
    user = PurePosixPath("shared/web/session.js")
    files = {"Dockerfile": b"FROM node\n" + lines, str(user): b"", "services/a.js": b""}
    assert str(home_for(MemoryTree(files), user, PurePosixPath(), "config/x.js")) == home


@pytest.mark.parametrize(
    ("lines", "is_left_out"),
    [
        (b"node_modules\n", False),
        (b"svc\n", True),
        (b"/svc/\n", True),
        (b"cors.py\n", False),
        (b"**/cors.py\n", True),
        (b"svc/*.py\n!svc/main.py\n", True),
        (b"*\n!svc\n", False),
        (b"*\n!svc/main.py", True),
        (b"# svc\n\n", False),
        (b"**\r\n!svc/main.py\r\n", True),
        (b"docs/**\n", False),
    ],
)
def test_new_file_is_admitted_where_the_build_context_leaves_it_out(
    lines: bytes, *, is_left_out: bool
) -> None:
    """A module that is not in the context is not in the image, whatever its Dockerfile copies."""
    files = {"Dockerfile": b"FROM x\nCOPY . /app/\n", ".dockerignore": lines}
    ending = b"\r\n" if b"\r" in lines else b"\n"
    start = b"" if lines.endswith(b"\n") else ending
    expected = lines + start + b"!svc/cors.py" + ending
    found = _recipe_or_none(files, ".dockerignore")
    assert found == (expected if is_left_out else None)


def test_new_file_is_admitted_by_the_ignore_file_that_the_builder_reads() -> None:
    """One of the Dockerfile's name goes before the folder's; what needs no file is left alone."""
    files = {
        "docker-compose.yml": BUILT,
        "docker/svc.Dockerfile": b"FROM x\nCOPY svc /app/\n",
        "docker/svc.Dockerfile.dockerignore": b"svc/cors.py\n",
        ".dockerignore": b"svc\n",
        "other/Dockerfile": b"FROM x\nCOPY . /app/\n",
        "other/.dockerignore": b"*\n",
    }
    tree = MemoryTree({str(MAIN): b"\n", **files})
    (change,) = shipped(tree, [_changed(HELPER)])
    (ignoring,) = (edit for edit in change.edits if edit.path.name.endswith("ignore"))
    assert str(ignoring.path) == "docker/svc.Dockerfile.dockerignore"
    assert ignoring.after == b"svc/cors.py\n!svc/cors.py\n"


def test_ignore_file_takes_time_by_its_length() -> None:
    """A line of stars is matched part by part, and never in every way there is."""
    line = b"/".join([b"**", b"*a*a*a*a*a*a*a*b"] * 40) + b"\n"
    deep = PurePosixPath("svc", *["a" * 60] * 30, "cors.py")
    files = {"Dockerfile": b"FROM x\nCOPY . /app/\n", ".dockerignore": line * 200}
    start = process_time()
    made = list(shipped(MemoryTree({str(MAIN): b"\n", **files}), [_changed(deep)]))
    assert made == [_changed(deep)]
    assert process_time() - start < 10


def _recipe_or_none(files: dict[str, bytes], path: str) -> bytes | None:
    tree = MemoryTree({str(MAIN): b"\n", **files})
    made = list(shipped(tree, [_changed(HELPER)]))
    again = Overlay(tree, made[0].edits)
    assert list(shipped(again, [_changed(HELPER)])) == [_changed(HELPER)]
    return next((edit.after for edit in made[0].edits if str(edit.path) == path), None)
