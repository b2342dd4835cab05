"""Settings reach the services that read them, by every file that hands variables on."""

from pathlib import PurePosixPath

import pytest

from closeout.formats import compose
from closeout.formats.env_examples import EXAMPLES
from closeout.formats.settings import Setting
from closeout.formats.settings_delivery import Delivery
from closeout.fs.tree import MemoryTree
from closeout.model import Tree

FOLDER = PurePosixPath("cloud/svc")
PLAIN = Setting(name="LEVEL", value="${LEVEL:-1}", example="# How much.\nLEVEL=1", chart="LEVEL: 1")
SECRET = Setting(name="KEY", value="${KEY}", example="KEY=<make-one>", is_secret=True)
VALUES = b"env:\n  A: 1\nsecretEnv:\n  B:\n    secret: s\n    key: B\n"


def _delivery(setting: Setting) -> Delivery:
    def wanted(_: Tree, __: compose.ComposeService) -> tuple[Setting, ...]:
        return (setting,)

    return Delivery(in_examples=setting, in_charts=(setting,), in_compose=wanted)


@pytest.mark.parametrize("name", EXAMPLES)
def test_example_of_every_name_is_told(name: str) -> None:
    """Whatever a team calls its example, it names the setting; a second run adds nothing."""
    path = f"{FOLDER}/{name}"
    delivery = _delivery(PLAIN)
    (edit,) = delivery.example_edits(MemoryTree({path: b"A=1\n"}), [FOLDER])
    assert (str(edit.path), edit.after) == (path, b"A=1\n# How much.\nLEVEL=1\n")
    assert list(delivery.example_edits(MemoryTree({path: edit.after}), [FOLDER])) == []


def test_example_takes_the_ending_of_its_last_line() -> None:
    """A file that mixes line endings goes on as it ends."""
    tree = MemoryTree({f"{FOLDER}/.env.example": b"A=1\r\nB=2\n"})
    (edit,) = _delivery(PLAIN).example_edits(tree, [FOLDER])
    assert edit.after == b"A=1\r\nB=2\n# How much.\nLEVEL=1\n"


def test_secret_leaves_every_example() -> None:
    """Each that gives it a value gets the placeholder; without an example one is made."""
    held = {f"{FOLDER}/{name}": b"KEY=3f9c\nA=1\n" for name in EXAMPLES}
    edits = list(_delivery(SECRET).example_edits(MemoryTree(held), [FOLDER]))
    assert [edit.after for edit in edits] == [b"KEY=<make-one>\nA=1\n"] * len(EXAMPLES)
    (made,) = _delivery(SECRET).example_edits(MemoryTree({}), [FOLDER])
    assert (made.path.name, made.before, made.after) == (EXAMPLES[0], None, b"KEY=<make-one>\n")


@pytest.mark.parametrize(
    ("path", "content", "made"),
    [
        ("README.md", b"", [f"{FOLDER}/{EXAMPLES[0]}"]),
        (".env.example", b"A=1\n", [f"{FOLDER}/{EXAMPLES[0]}"]),
        (".env.example", b"LEVEL=1\n", []),
        (f"{FOLDER}/env.example", b"A=1\n", []),
        ("docker-compose.yml", f"services:\n  svc:\n    build: {FOLDER}\n".encode(), []),
        (
            "docker-compose.yml",
            b"services:\n  db:\n    image: postgres:16\n",
            [f"{FOLDER}/{EXAMPLES[0]}"],
        ),
    ],
)
def test_first_example_is_for_a_service_that_nothing_else_tells(
    path: str, content: bytes, made: list[str]
) -> None:
    """A service outside compose, or one that compose never starts, says what it newly needs."""
    edits = list(_delivery(PLAIN).first_examples(MemoryTree({path: content}), [FOLDER]))
    assert [str(edit.path) for edit in edits] == made
    assert all(edit.after == b"# How much.\nLEVEL=1\n" for edit in edits)


@pytest.mark.parametrize(
    ("path", "context"),
    [
        ("cloud/docker-compose.yml", b"./svc"),
        ("infra/docker-compose.yml", b"../cloud/svc"),
        ("cloud/svc/compose.yaml", b"."),
    ],
)
def test_compose_file_that_starts_the_service_is_told(path: str, context: bytes) -> None:
    """Beside the service, inside of it or in a folder of its own."""
    text = b"services:\n  web:\n    build: " + context + b"\n    environment:\n      A: 1\n"
    (edit,) = _delivery(PLAIN).compose_edits(MemoryTree({path: text}), [FOLDER])
    assert edit.after == text + b"      LEVEL: ${LEVEL:-1}\n"
    (lacking,) = _delivery(PLAIN).undelivered(MemoryTree({path: text}), [FOLDER])
    assert (lacking.folder, lacking.problem) == (FOLDER, "does not hand LEVEL on")


FROM_THE_ROOT = b"services:\n  web:\n    build:\n      context: .\n      dockerfile: "


@pytest.mark.parametrize(
    ("named", "recipe"),
    [
        (b"./cloud/svc/Dockerfile", b"FROM node\nCOPY . .\n"),
        (b"docker/web.Dockerfile", b"FROM node\nCOPY --chown=node cloud/svc/ ./\n"),
        (b"docker/web.Dockerfile", b'FROM node\nCOPY ["cloud/svc", "/app"]\n'),
        (b"docker/web.Dockerfile", b"FROM node\nCOPY . \\\n  .\nCMD node cloud/svc/index.js\n"),
        (b"docker/web.Dockerfile", b"FROM node\nCOPY cloud /app/cloud\nWORKDIR /app/cloud/svc\n"),
    ],
    ids=["its folder", "copied", "as a list", "by its command", "by its working folder"],
)
def test_service_is_told_when_its_image_is_built_from_another_folder(
    named: bytes, recipe: bytes
) -> None:
    """A context above the services is a monorepo's usual one.

    Of the kind: override files, other names of Dockerfiles, `working_dir` and `command` of
    compose, mounted sources (below).
    """
    text = FROM_THE_ROOT + named + b"\n    environment:\n      A: 1\n"
    files = {"compose.yml": text, str(PurePosixPath(named.decode())): recipe}
    (edit,) = _delivery(PLAIN).compose_edits(MemoryTree(files), [FOLDER])
    assert edit.after == text + b"      LEVEL: ${LEVEL:-1}\n"
    other = FROM_THE_ROOT + b"cloud/other/Dockerfile\n    environment:\n      A: 1\n"
    files = {"compose.yml": other, "cloud/other/Dockerfile": b"FROM node\nCOPY cloud/other .\n"}
    assert list(_delivery(PLAIN).undelivered(MemoryTree(files), [FOLDER])) == []


def test_service_is_told_when_a_plain_image_runs_its_mounted_source() -> None:
    """Development often mounts the source into the language's own image."""
    text = (
        b"services:\n  web:\n    image: node\n    volumes: ['./%s:/app']\n"
        b"    environment:\n      A: 1\n"
    )
    told = MemoryTree({"cloud/compose.yml": text % b"svc"})
    assert len(list(_delivery(PLAIN).compose_edits(told, [FOLDER]))) == 1
    other = MemoryTree({"cloud/compose.yml": text % b"other"})
    assert list(_delivery(PLAIN).compose_edits(other, [FOLDER])) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"    environment:\n      LEVEL: ${LEVEL:-1}\n"),
        (
            b"    environment: # none yet\n",
            b"    environment: # none yet\n      LEVEL: ${LEVEL:-1}\n",
        ),
        (
            b"    environment: *all\n",
            b"    environment:\n      <<: *all\n      LEVEL: ${LEVEL:-1}\n",
        ),
    ],
    ids=["none", "empty", "an alias"],
)
def test_environment_is_made_where_a_service_has_none_of_its_own(
    before: bytes, after: bytes
) -> None:
    """A service without one is not started without its settings."""
    text = b"x-all: &all {A: 2}\nservices:\n  svc:\n    build: ./svc\n"
    tree = MemoryTree({"cloud/compose.yml": text + before})
    (edit,) = _delivery(PLAIN).compose_edits(tree, [FOLDER])
    assert edit.after == text + after
    again = MemoryTree({"cloud/compose.yml": edit.after})
    assert list(_delivery(PLAIN).undelivered(again, [FOLDER])) == []


def test_environment_of_a_service_in_one_line_is_made() -> None:
    """What is written in brackets goes on in brackets."""
    tree = MemoryTree({"cloud/compose.yml": b"services:\n  svc: {build: ./svc}\n"})
    (edit,) = _delivery(PLAIN).compose_edits(tree, [FOLDER])
    made = b'services:\n  svc: {build: ./svc, environment: {LEVEL: "${LEVEL:-1}"}}\n'
    assert edit.after == made


def test_place_that_cannot_be_added_to_stays_open() -> None:
    """A shared list takes no merge key: nothing is edited, and the place is told."""
    text = b"x-all: &all [A=2]\nservices:\n  svc:\n    build: ./svc\n    environment: *all\n"
    tree = MemoryTree({"cloud/compose.yml": text})
    assert list(_delivery(PLAIN).compose_edits(tree, [FOLDER])) == []
    assert [item.service for item in _delivery(PLAIN).undelivered(tree, [FOLDER])] == ["svc"]


@pytest.mark.parametrize("said", [b".env", b"[./.env]", b"[{path: .env, required: false}]"])
def test_service_with_an_env_file_is_told_by_its_example(said: bytes) -> None:
    """An entry of `environment` would hide what the operator's file says."""
    text = b"services:\n  svc:\n    build: ./svc\n    env_file: " + said + b"\n"
    tree = MemoryTree({"cloud/compose.yml": text, "cloud/.env.example": b"A=1\n"})
    (edit,) = _delivery(PLAIN).compose_edits(tree, [FOLDER])
    assert (str(edit.path), edit.after) == ("cloud/.env.example", b"A=1\n# How much.\nLEVEL=1\n")
    (lacking,) = _delivery(PLAIN).undelivered(tree, [FOLDER])
    assert lacking.problem == "does not name LEVEL"
    for name in (".env", ".env.example"):
        named = MemoryTree({"cloud/compose.yml": text, f"cloud/{name}": b"LEVEL=3\n"})
        assert list(_delivery(PLAIN).undelivered(named, [FOLDER])) == []


@pytest.mark.parametrize(
    ("file", "example"),
    [
        ("svc.env", "svc.env.example"),
        (".env", ".env.example"),
        (".env.local", ".env.example"),
        ("svc/.env", "svc/.env.example"),
    ],
)
def test_example_has_the_name_of_the_file_that_is_made_from_it(file: str, example: str) -> None:
    """Whoever fills `svc.env` in looks for `svc.env.example`."""
    text = f"services:\n  svc:\n    build: ./svc\n    env_file: {file}\n".encode()
    (edit,) = _delivery(SECRET).compose_edits(MemoryTree({"cloud/compose.yml": text}), [FOLDER])
    assert edit.path == PurePosixPath("cloud") / example
    told = MemoryTree({"cloud/compose.yml": text, str(edit.path): edit.after})
    assert list(_delivery(SECRET).undelivered(told, [FOLDER])) == []


def test_example_is_made_for_a_secret_only_when_an_env_file_has_none() -> None:
    """Without its default a setting is optional: an owner who keeps no example gets none."""
    text = b"services:\n  svc:\n    build: ./svc\n    env_file: ./svc/.env\n"
    tree = MemoryTree({"cloud/compose.yml": text})
    (edit,) = _delivery(SECRET).compose_edits(tree, [FOLDER])
    assert (edit.path, edit.after) == (FOLDER / ".env.example", b"KEY=<make-one>\n")
    assert list(_delivery(PLAIN).compose_edits(tree, [FOLDER])) == []


def test_example_beside_compose_names_what_is_handed_on_from_there() -> None:
    """Compose takes the value from the `.env` beside it: whoever fills that in has to be told."""
    handed = Setting(name="ORIGINS", example="ORIGINS=http://localhost:4000")
    text = b"services:\n  svc:\n    build: ./svc\n    environment:\n      ORIGINS:\n"
    tree = MemoryTree({"cloud/compose.yml": text})
    (edit,) = _delivery(handed).compose_edits(tree, [FOLDER])
    assert (str(edit.path), edit.after) == (
        "cloud/.env.example",
        b"ORIGINS=http://localhost:4000\n",
    )
    fixed = MemoryTree({"cloud/compose.yml": text.replace(b"ORIGINS:", b"ORIGINS: http://a.b")})
    assert list(_delivery(handed).compose_edits(fixed, [FOLDER])) == []


def test_variable_of_a_merged_mapping_is_delivered() -> None:
    """What an anchor brings along is not written a second time."""
    text = b"x-all: &all {LEVEL: 2}\nservices:\n  svc:\n    environment:\n      <<: *all\n"
    tree = MemoryTree({"cloud/compose.yml": text})
    assert list(_delivery(PLAIN).undelivered(tree, [FOLDER])) == []


@pytest.mark.parametrize(
    ("setting", "lines"),
    [
        (PLAIN, VALUES.replace(b"A: 1\n", b"A: 1\n  LEVEL: 1\n")),
        (SECRET, VALUES + b"  KEY:\n    secret: s\n    key: KEY\n"),
    ],
    ids=["plain", "secret"],
)
def test_chart_is_told_under_its_own_key(setting: Setting, lines: bytes) -> None:
    """A secret comes from where its neighbour comes from, and never stands among plain values."""
    path = f"{FOLDER}/helm/values.yaml"
    (edit,) = _delivery(setting).chart_edits(MemoryTree({path: VALUES}), [FOLDER])
    assert edit.after == lines
    assert list(_delivery(setting).chart_edits(MemoryTree({path: lines}), [FOLDER])) == []
