"""Files that an order touches are read strictly, and an absent one gives no answer."""

from pathlib import Path

import pytest

from closeout.fs.tree import MemoryTree
from closeout.workorders.artifact_lint import ArtifactKind, TouchedFiles, inspect

JOB = b"""apiVersion: batch/v1
kind: Job
metadata: {name: j}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: c
          image: a:1
          volumeMounts: [{name: data, mountPath: /data}]
      volumes: [{name: data, emptyDir: {}}]
"""


def _seen(
    tmp_path: Path,
    kind: ArtifactKind,
    files: dict[str, bytes],
    pattern: str = "*",
    holding: bytes = b"",
) -> list[tuple[str, bool | None, str]]:
    touched = (TouchedFiles(pattern=pattern, kind=kind, criteria=("1.1",), holding=holding),)
    tree = MemoryTree(files)
    return [
        (probe, seen.passed, seen.observed) for probe, _, seen in inspect(tree, touched, tmp_path)
    ]


def test_manifest_whose_mount_has_no_volume_fails_with_its_line(tmp_path: Path) -> None:
    """An API server refuses what no schema can tell."""
    ((probe, passed, _),) = _seen(tmp_path, ArtifactKind.MANIFEST, {"k8s/job.yaml": JOB})
    assert (probe, passed) == ("inspect.manifest@k8s/job.yaml", True)
    broken = JOB.replace(b"[{name: data, m", b"[{name: date, m")
    ((_, passed, observed),) = _seen(tmp_path, ArtifactKind.MANIFEST, {"k8s/job.yaml": broken})
    assert passed is False
    assert "k8s/job.yaml:11" in observed
    assert "no volume 'date'" in observed


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        (b"#!/usr/bin/env bash\nif true; then echo; fi\n", True),
        (b"#!/usr/bin/env bash\nif true; then echo\n", False),
        (b"#!/usr/bin/env python3\nif True: pass\n", True),
    ],
    ids=["parses", "does not parse", "is no shell script"],
)
@pytest.mark.needs("bash")
def test_script_is_parsed_by_bash(tmp_path: Path, text: bytes, passed: bool) -> None:
    """Only what bash would run is put to bash."""
    ((_, answer, _),) = _seen(tmp_path, ArtifactKind.SCRIPT, {"scripts/b.sh": text})
    assert answer is passed


def test_script_is_not_run(tmp_path: Path) -> None:
    """Reading a hostile script leaves nothing behind."""
    mark = tmp_path / "mark"
    text = f"#!/bin/bash\ntouch {mark}\n".encode()
    assert _seen(tmp_path, ArtifactKind.SCRIPT, {"scripts/b.sh": text})
    assert not mark.exists()


def test_kustomization_that_lists_an_absent_file_fails(tmp_path: Path) -> None:
    """A manifest that is listed and does not exist is never applied."""
    files = {"k/kustomization.yaml": b"resources: [a.yaml, b.yaml, base]\n", "k/a.yaml": b""}
    files["k/base/c.yaml"] = b""
    ((_, passed, observed),) = _seen(
        tmp_path, ArtifactKind.KUSTOMIZATION, files, pattern="*kustomization.yaml"
    )
    assert passed is False
    assert "b.yaml" in observed
    assert "base" not in observed


def test_file_that_is_absent_or_of_another_content_gives_no_answer(tmp_path: Path) -> None:
    """Nothing is green that was not read."""
    assert _seen(tmp_path, ArtifactKind.SYNTAX, {"a.json": b"{}"}, pattern="b.json") == []
    assert _seen(tmp_path, ArtifactKind.MANIFEST, {"a.yaml": JOB}, holding=b"kind: CronJob") == []


def test_first_description_of_a_file_is_the_one_that_counts(tmp_path: Path) -> None:
    """A special case stands before the general one."""
    touched = (
        TouchedFiles(pattern="special.json", kind=ArtifactKind.SYNTAX, criteria=("1.1",)),
        TouchedFiles(pattern="*.json", kind=ArtifactKind.SYNTAX, criteria=("2.2",)),
    )
    tree = MemoryTree({"special.json": b"{", "b.json": b"{}"})
    seen = {number: row.passed for _, number, row in inspect(tree, touched, tmp_path)}
    assert seen == {"1.1": False, "2.2": True}
