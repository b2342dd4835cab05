"""Monorepos that somebody made to break, mislead or escape from the tool; one builder each."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from closeout.fs import writer
from closeout.fs.tree import SIZE_CAP, DiskTree
from closeout.runs.workspace import REFERENCE

Builder = Callable[[Path, Path], None]
"""Spoils the tree in its first argument; the second is a folder outside it."""

SERVICE = Path("cloud-layer/cloud-inference-server")
MAIN = SERVICE / "app/main.py"
ROUTES = Path("cloud-layer/cloud-identity-access/src/routes/authRoutes.ts")
COMPOSE = Path("edge-layer/docker-compose.yml")
_KEPT = (
    "cloud-layer/cloud-inference-server/",
    "cloud-layer/cloud-identity-access/",
    "cloud-layer/cloud-tenant-registry/",
    "edge-layer/",
    "k8s/",
)
WILDCARD = (
    b"from fastapi import FastAPI\n"
    b"from fastapi.middleware.cors import CORSMiddleware\n"
    b"app = FastAPI()\n"
    b'app.add_middleware(CORSMiddleware, allow_origins=["*"])\n'
)
EXPRESS = (
    b"import express from 'express';\nimport cors from 'cors';\n"
    b"const app = express();\napp.use(cors());\napp.post('/login', (q, s) => s.end());\n"
    b"if (q.claimCode !== 'FACTORY-SECRET') { s.status(403) }\n"
)


def small_monorepo(folder: Path) -> Path:
    """Write a part of the reference monorepo in which six gaps are open, and return it."""
    folder.mkdir(parents=True)
    writer.copy_tree(_Part(DiskTree(REFERENCE)), folder)
    return folder


class _Part:
    def __init__(self, whole: DiskTree) -> None:
        self._whole = whole

    def __getattr__(self, name: str) -> object:
        return getattr(self._whole, name)

    def paths(self) -> tuple[object, ...]:
        return tuple(path for path in self._whole.paths() if str(path).startswith(_KEPT))


def _put(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)


def link_out_of_the_tree(root: Path, outside: Path) -> None:
    """Replace a service by a link to a folder outside, and one of its files by a link too."""
    _put(outside / "service/app/main.py", WILDCARD)
    (root / "cloud-layer/linked").symlink_to(outside / "service")
    (root / MAIN).unlink()
    (root / MAIN).symlink_to(outside / "service/app/main.py")


def link_loops(root: Path, outside: Path) -> None:
    """Add folders and files that link to themselves."""
    del outside
    (root / "cloud-layer/loop").symlink_to(root)
    (root / "cloud-layer/self").symlink_to(root / "cloud-layer/self")
    (root / "scripts").symlink_to(root / "cloud-layer")


def link_where_a_new_file_goes(root: Path, outside: Path) -> None:
    """Make the folders that new files would be written to links that lead outside."""
    for name in ("scripts", "k8s/backup", "k8s/external-secrets", "edge-layer/edge-mqtt-broker"):
        place = root / name
        if place.exists():
            place.rename(root / "moved")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(outside)


def special_files(root: Path, outside: Path) -> None:
    """Put a pipe, a socket and a device where sources are expected."""
    del outside
    os.mkfifo(root / SERVICE / "app/pipe.py")
    (root / MAIN).unlink()
    os.mkfifo(root / MAIN)
    with socket.socket(socket.AF_UNIX) as end, _inside(root / SERVICE):
        end.bind("socket.py")
    try:
        os.mknod(root / SERVICE / "device.py", 0o20644, os.makedev(1, 5))
    except PermissionError:
        return


@contextmanager
def _inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def huge_file(root: Path, outside: Path) -> None:
    """Make a source larger than any source is."""
    del outside
    with (root / MAIN).open("ab") as stream:
        stream.truncate(SIZE_CAP + 1)


def deep_folders(root: Path, outside: Path) -> None:
    """Nest folders deeper than the interpreter recurses."""
    del outside
    handle = os.open(root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=handle)
        below = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)


def crowded_folder(root: Path, outside: Path) -> None:
    """Put 10,000 files into one folder."""
    del outside
    folder = root / "cloud-layer/crowd"
    folder.mkdir()
    for number in range(10_000):
        (folder / f"file{number}.ts").touch()


def odd_names(root: Path, outside: Path) -> None:
    """Give open services names with a newline, escapes, quotes, a pipe, HTML and no UTF-8."""
    del outside
    names = (
        b"new\nline",
        b"\x1b[31mred\x1b[0m",
        b"quo'te\"s",
        b"pi|pe",
        b"<b>html<",
        b"caf\xe9",
        b"back\\slash",
        b"-rf",
        b"$(touch x)",
        b" blank ",
        b"C:",
    )
    for name in names:
        folder = os.fsencode(root / "cloud-layer") + b"/" + name
        os.makedirs(folder + b"/app")  # noqa: PTH103 - no Path takes bytes
        for inside, content in ((b"/app/main.py", WILDCARD), (b"/index.ts", EXPRESS)):
            with open(folder + inside, "wb") as stream:  # noqa: PTH123 - no Path takes bytes
                stream.write(content)
        with open(folder + b"/requirements.txt", "wb") as stream:  # noqa: PTH123 - as above
            stream.write(b"fastapi\n")


def other_encodings(root: Path, outside: Path) -> None:
    """Write sources that are not UTF-8, that start with a mark, or hold NUL bytes."""
    del outside
    place = root / MAIN
    content = place.read_bytes()
    _put(root / "cloud-layer/one/app/main.py", b"# caf\xe9\n" + content)
    _put(root / "cloud-layer/two/app/main.py", b"\xef\xbb\xbf" + content)
    _put(root / "cloud-layer/three/app/main.py", content.decode().encode("utf-16"))
    _put(root / "cloud-layer/four/app/main.py", content + b"\0")
    _put(root / "cloud-layer/five/src/index.ts", b"\xef\xbb\xbf" + EXPRESS + b"// \xff\xfe\n")
    _put(root / "cloud-layer/six/src/index.ts", EXPRESS.decode().encode("utf-16"))
    _put(root / "cloud-layer/docker-compose.yml", b"services:\n  caf\xe9: {}\n")
    _put(root / "cloud-layer/seven/package.json", b'{"name": "\xff"}')


def other_line_endings(root: Path, outside: Path) -> None:
    """Write CRLF, lone CR, mixed endings, trailing blanks, and no final newline."""
    del outside
    content = (root / MAIN).read_bytes()
    _put(root / "cloud-layer/one/app/main.py", content.replace(b"\n", b"\r\n"))
    _put(root / "cloud-layer/two/app/main.py", content.replace(b"\n", b"\r"))
    _put(root / "cloud-layer/three/app/main.py", content.replace(b"\n", b"  \r\n", 9))
    _put(root / "cloud-layer/four/app/main.py", content.rstrip(b"\n"))
    (root / ROUTES).write_bytes((root / ROUTES).read_bytes().replace(b"\n", b"\r\n"))
    for place in (root / "edge-layer").rglob("*.conf"):
        place.write_bytes(place.read_bytes().replace(b"\n", b"\r"))


def unparsable_files(root: Path, outside: Path) -> None:
    """Break one file of every kind that is parsed."""
    del outside
    for number, place in enumerate(sorted(root.rglob("*"))):
        if place.is_file() and place.suffix in _PARSED and number % 2:
            content = place.read_bytes()
            place.write_bytes(content[: len(content) // 2] + b"\n({[\"'`{%" + b"\t: - !!x\n")


_PARSED = frozenset({".py", ".ts", ".json", ".yml", ".yaml", ".sql", ".toml", ".conf"})


def empty_files(root: Path, outside: Path) -> None:
    """Empty every file."""
    del outside
    for place in root.rglob("*"):
        if place.is_file():
            place.write_bytes(b"")


def quoted_defects(root: Path, outside: Path) -> None:
    """Write defects into comments and strings only."""
    del outside
    quoted = b'"""\n' + WILDCARD.replace(b'"', b"'") + b'"""\nTEXT = "FastAPI( CORSMiddleware"\n'
    _put(root / "cloud-layer/quoted/app/main.py", quoted)
    _put(root / "cloud-layer/quoted/src/index.ts", b"/*\n" + EXPRESS + b"*/\nconst a = `cors()`;\n")


def git_with_hooks(root: Path, outside: Path) -> None:
    """Add a repository whose hooks, filters and settings run a program that leaves a mark."""
    mark = f"touch '{outside}/hooked'"
    for name in ("pre-commit", "post-checkout", "applypatch-msg", "post-index-change"):
        hook = root / ".git/hooks" / name
        _put(hook, f"#!/bin/sh\n{mark}\n".encode())
        hook.chmod(0o755)
    settings = (
        f"[core]\n fsmonitor = {mark}\n hooksPath = hooks\n sshCommand = {mark}\n"
        f'[filter "x"]\n clean = {mark}\n smudge = {mark}\n[diff]\n external = {mark}\n'
        f'[diff "x"]\n textconv = {mark}\n command = {mark}\n[apply]\n whitespace = fix\n'
    )
    for place in (root / ".git/config", root / ".gitconfig"):
        _put(place, settings.encode())
    _put(root / ".git/HEAD", b"ref: refs/heads/main\n")
    (root / ".git/objects").mkdir()
    (root / ".git/refs").mkdir()
    _put(root / ".gitattributes", b"* filter=x diff=x\n")


def escapes_in_excerpts(root: Path, outside: Path) -> None:
    """Put terminal escapes, pipes and HTML on the lines that a report quotes."""
    del outside
    place = root / MAIN
    spoiled = place.read_bytes().replace(
        b'allow_origins=["*"]', b'allow_origins=["*"]  # \x1b[2J\x1b]0;x\x07| <script>`|'
    )
    place.write_bytes(spoiled)


def yaml_bombs(root: Path, outside: Path) -> None:
    """Write documents that grow without bound when their aliases are followed."""
    del outside
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    bomb = "\n".join(lines).encode()
    head = b"apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: backup}\n"
    _put(root / "k8s/bomb.yaml", head + b"# mosquitto 1883 external-secrets.io/\n" + bomb)
    _put(root / "k8s/backup/cronjob.yaml", head + b"spec: *a39\n" + bomb)
    merged = ["m0: &m0 {MQTT_PASSWORD: x}"]
    merged += [f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 9)}]}}" for n in range(1, 30)]
    merging = "\n".join(merged).encode()
    compose = b"\nservices:\n  edge-mqtt-broker:\n    image: eclipse-mosquitto\n    ports: *a39\n"
    environment = b"    environment: *m29\n"
    _put(root / COMPOSE, bomb + b"\n" + merging + compose + environment)
    _put(root / SERVICE / "helm/values.yaml", bomb + b"\n" + merging)
    _put(root / "dbt/dbt_project.yml", bomb + b"\nname: *a39\nmodel-paths: *a39\n")


def deep_nesting(root: Path, outside: Path) -> None:
    """Nest brackets, calls and documents deeper than a parser recurses."""
    del outside
    deep = 20_000
    _put(root / "cloud-layer/deep/app/main.py", WILDCARD + b"x = " + b"(" * deep + b")" * deep)
    chain = b"x = 1" + b" + 1" * deep + b"\n" + b"y = a" + b".b" * deep + b"\n"
    _put(root / "cloud-layer/chain/app/main.py", WILDCARD + chain)
    brackets = b"const x = " + b"(" * deep + b"1" + b")" * deep + b";\n"
    _put(root / "cloud-layer/deep/src/index.ts", EXPRESS + brackets)
    blocks = b"{" * deep + b"}" * deep
    _put(root / "cloud-layer/blocks/src/routes/auth.ts", EXPRESS + blocks)
    document = b'{"a":' * deep + b"1" + b"}" * deep
    _put(root / "cloud-layer/deep/package.json", document)
    _put(root / "cloud-layer/deep/package-lock.json", document)
    _put(root / COMPOSE, b"services: " + b"[" * deep + b"]" * deep)
    _put(root / "k8s/deep.yaml", b"kind: mosquitto\na: " + b"{a: " * deep + b"}" * deep)
    _put(root / "dbt/dbt_project.yml", b"name: farmiq_data_pipeline\nprofile: farmiq\n")
    nested = b"SELECT " + b"(" * deep + b"1" + b")" * deep + b" FROM a"
    _put(root / "dbt/models/marts/deep.sql", nested + b" {{ " * deep)


def spoiled_settings(root: Path, outside: Path) -> None:
    """Write settings that name paths outside the tree, and that are no settings at all."""
    traversal = "../" * 12
    build = f"services:\n  edge-mqtt-broker:\n    build: {traversal}{str(outside)[1:]}\n"
    volumes = f"    volumes: ['{outside}:/x', '../../..:/y', 'C:\\\\x:/z', \"\\0:/w\"]\n"
    _put(root / COMPOSE, (build + "    ports: ['1883:1883']\n" + volumes).encode())
    _put(root / "closeout.toml", b"root = '/etc'\n[[[")
    _put(root / "dbt/dbt_project.yml", b"name: x\nmodel-paths: ['../../..', '/etc', \"a\\0b\"]\n")
    imports = b"import a from '../../../../../../../../etc/passwd';\nimport b from '/etc/x';\n"
    _put(root / ROUTES, imports + b"import c from './\0';\n" + EXPRESS)


def unusable_waivers(root: Path, outside: Path) -> None:
    """Leave a register of waivers that is no TOML: the run must refuse before it writes."""
    del outside
    _put(root / "waivers.toml", b'[[waiver]]\ncriterion = "9.2"\nwho = [\n')


def folder_where_a_new_file_goes(root: Path, outside: Path) -> None:
    """Put folders where a fix writes files."""
    del outside
    for name in ("scripts/backup-database.sh", "k8s/backup-cronjob.yaml", f"{SERVICE}/app/cors.py"):
        (root / name / "inside").mkdir(parents=True)


def file_where_a_new_folder_goes(root: Path, outside: Path) -> None:
    """Put files where a fix makes folders."""
    del outside
    _put(root / "scripts", b"")
    _put(root / "k8s/external-secrets", b"")


def endless_kinds(root: Path, outside: Path) -> None:
    """Name kinds and versions that no file can be called after, or that lead elsewhere."""
    del outside
    manifest = "apiVersion: {version}\nkind: {kind}\nmetadata: {{name: mosquitto}}\n"
    odd = (("v1", "x" * 70_000), ("x" * 70_000, "Pod"), ("v1/../../x", "../../../etc/x"))
    for number, (version, kind) in enumerate(odd):
        text = manifest.format(version=version, kind=kind)
        _put(root / f"k8s/edge-mqtt-broker/odd{number}.yaml", text.encode())
        _put(root / f"k8s/external-secrets/odd{number}-external-secret.yaml", text.encode())


Damage = Callable[[Path], None]
"""Spoils the folder of a run that closed gaps."""


def damaged_run_document(run: Path) -> None:
    """Cut off the file that says which monorepo a run was about."""
    _cut(run / "run.json")


def foreign_run_document(run: Path) -> None:
    """Name a root that is no path."""
    (run / "run.json").write_text('{"root": 7}')


def damaged_record(run: Path) -> None:
    """Cut off what a run planned."""
    _cut(run / "plan.json")


def record_of_another_shape(run: Path) -> None:
    """Keep a plan that is JSON and no plan."""
    (run / "plan.json").write_text("[[]]")


def damaged_evidence(run: Path) -> None:
    """Cut off what a run saw."""
    _cut(run / "evidence/static.json")


def deep_evidence(run: Path) -> None:
    """Nest what a run saw deeper than a parser recurses."""
    (run / "evidence/static.json").write_bytes(b'{"evidence":' + b"[" * 100_000)


def evidence_without_end(run: Path) -> None:
    """Let what a run saw have taken for ever."""
    _let_seconds_be(run, b"Infinity")


def evidence_beyond_numbers(run: Path) -> None:
    """Let it have taken more seconds than any number is."""
    _let_seconds_be(run, b"1e999")


def _let_seconds_be(run: Path, seconds: bytes) -> None:
    place = run / "evidence/static.json"
    content, count = re.subn(rb'("seconds": ?)[\d.e-]+', rb"\g<1>" + seconds, place.read_bytes())
    assert count
    place.write_bytes(content)


def damaged_journal(run: Path) -> None:
    """Cut off what an undo needs."""
    _cut(run / "undo/journal.json")


def journal_that_leads_away(run: Path) -> None:
    """Take the bytes from before a run from a file elsewhere."""
    journal = json.loads((run / "undo/journal.json").read_bytes())
    (entry, *_) = [item for item in journal["files"] if item["before"]]
    (run / "elsewhere").write_bytes(b"from elsewhere")
    entry["before"] = "../../elsewhere"
    (run / "undo/journal.json").write_text(json.dumps(journal))


def journal_with_an_endless_path(run: Path) -> None:
    """Name a file that no file system can hold."""
    journal = json.loads((run / "undo/journal.json").read_bytes())
    journal["files"][0]["path"] = "x" * 70_000
    (run / "undo/journal.json").write_text(json.dumps(journal))


def lost_bytes_of_the_journal(run: Path) -> None:
    """Lose the bytes from before a run of the last file only."""
    max((run / "undo/blobs").iterdir()).unlink()


def altered_bytes_of_the_journal(run: Path) -> None:
    """Change the bytes from before a run."""
    max((run / "undo/blobs").iterdir()).write_bytes(b"altered")


def _cut(place: Path) -> None:
    content = place.read_bytes()
    place.write_bytes(content[: len(content) // 2])


DAMAGES: tuple[Damage, ...] = (
    damaged_run_document,
    foreign_run_document,
    damaged_record,
    record_of_another_shape,
    damaged_evidence,
    deep_evidence,
    evidence_without_end,
    evidence_beyond_numbers,
    damaged_journal,
    journal_that_leads_away,
    journal_with_an_endless_path,
    lost_bytes_of_the_journal,
    altered_bytes_of_the_journal,
)


def patch_with_a_name_that_is_no_text() -> bytes:
    """Return a patch whose file name is no UTF-8."""
    return _patch_of(b"caf\xe9")


def patch_with_a_name_to_be_escaped() -> bytes:
    """Return a patch whose file name ends a line of a report."""
    return _patch_of(b"red\x1b[31m")


def patch_with_a_quoted_name() -> bytes:
    """Return a patch whose file name git takes for another one: quoted, with an escape."""
    return _patch_of(b'x" "b/y"')


def _patch_of(name: bytes) -> bytes:
    lines = (b"diff --git a/%b b/%b", b"--- a/%b", b"+++ b/%b", b"@@ -1 +1 @@", b"-a", b"+b", b"")
    return b"\n".join(lines).replace(b"%b", name)


PATCHES = (
    patch_with_a_name_that_is_no_text,
    patch_with_a_name_to_be_escaped,
    patch_with_a_quoted_name,
)

BUILDERS: tuple[Builder, ...] = (
    link_out_of_the_tree,
    link_loops,
    link_where_a_new_file_goes,
    special_files,
    huge_file,
    deep_folders,
    crowded_folder,
    odd_names,
    other_encodings,
    other_line_endings,
    unparsable_files,
    empty_files,
    quoted_defects,
    git_with_hooks,
    escapes_in_excerpts,
    yaml_bombs,
    deep_nesting,
    spoiled_settings,
    unusable_waivers,
    folder_where_a_new_file_goes,
    file_where_a_new_folder_goes,
    endless_kinds,
)
