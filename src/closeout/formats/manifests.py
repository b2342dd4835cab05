"""Validate Kubernetes manifests strictly and offline: unknown fields are refused.

Core kinds are held to the published schemas that `kubernetes_validate` carries, and to the closed
vocabularies those leave open. The operators' kinds are held to `closeout/schemas/*.json`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any

from closeout.formats.schemas import SERVED_VERSIONS, validator_of, vocabulary
from closeout.model import Tree
from closeout.parsing.memo import on_trial
from closeout.parsing.yaml_loader import composed

_JOB_RESTARTS = ("OnFailure", "Never")
_FREE_TEXT = frozenset({"data", "stringData", "binaryData", "labels", "annotations", "matchLabels"})
"""Mappings whose keys the author invents; a field's vocabulary does not hold below them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestProblem:
    """One reason why an API server or a reviewer would refuse a document.

    `rule` is one of unparsable, duplicate-key, not-an-object, unserved-version, unknown-kind,
    unknown-field, schema, enum, missing-volume, duplicate-name; `pointer` is the field,
    dot-separated.
    """

    rule: str
    line: int
    subject: str
    """Kind and name, such as `ExternalSecret/billing-secrets`."""
    pointer: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One YAML document of `content`: its value, and the 1-based line where it starts."""

    value: Any
    line: int = 1
    content: bytes = b""
    number: int = 0
    """Which of the file's documents it is, empty ones left out."""

    @property
    def kind(self) -> str:
        """Return the document's kind, empty where it has none."""
        return str(self.value.get("kind", "")) if isinstance(self.value, dict) else ""

    @property
    def subject(self) -> str:
        """Return kind and name as one word."""
        return f"{self.kind or 'document'}/{self.field('metadata', 'name') or '?'}"

    def field(self, *keys: str) -> Any:  # noqa: ANN401 - a manifest's field may hold any value
        """Return the value below `keys`, or None where the way ends."""
        value = self.value
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def line_of(self, path: Iterable[str | int]) -> int:
        """Return the 1-based line of the deepest field of `path` that exists."""
        return _line(self.content, self.number, tuple(path))


@lru_cache(maxsize=8192)
def _line(content: bytes, number: int, path: tuple[str | int, ...]) -> int:
    node = _node(content, number)
    line = int(node.start_mark.line) + 1
    for step in path:
        found = _child(node, step)
        if found is None:
            break
        line, node = found
    return line


def _node(content: bytes, number: int) -> Any:  # noqa: ANN401 - yaml is untyped
    """Return the node that knows a document's lines, made anew where it was let go."""
    return composed(content)[number][1]


@on_trial
def documents(content: bytes) -> tuple[Document, ...]:
    """Return the YAML documents of `content`, empty ones left out.

    Raises yaml.YAMLError for text that is no YAML.
    """
    return tuple(
        Document(value=value, line=int(node.start_mark.line) + 1, content=content, number=number)
        for number, (value, node) in enumerate(composed(content))
    )


def documents_at(tree: Tree, path: PurePosixPath) -> tuple[Document, ...]:
    """Return the documents of a file; none where it is no YAML, which `validate` tells."""
    import yaml  # noqa: PLC0415 - only manifests need the parser

    try:
        return documents(tree.read(path) or b"")
    except yaml.YAMLError:
        return ()


@lru_cache(maxsize=1024)
def validate(content: bytes) -> tuple[ManifestProblem, ...]:
    """Return every problem of the manifests in one file, by line."""
    import yaml  # noqa: PLC0415 - only manifests need the parser

    try:
        found = documents(content)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        text = str(getattr(error, "problem", None) or error)
        problem = ManifestProblem(
            rule="unparsable", line=line, subject="document/?", pointer="", message=text
        )
        return (problem,)
    problems = [problem for document in found for problem in _judge(document)]
    problems += _duplicate_names(found)
    return tuple(sorted(problems, key=lambda item: (item.line, item.pointer, item.message)))


def validate_together(
    files: Mapping[PurePosixPath, bytes],
) -> tuple[tuple[PurePosixPath, ManifestProblem], ...]:
    """Return every file's problems, names that two files both define included."""
    problems = [(path, item) for path, content in files.items() for item in validate(content)]
    first: dict[tuple[str, ...], PurePosixPath] = {}
    for path, content in files.items():
        if any(owner == path and item.rule == "unparsable" for owner, item in problems):
            continue
        for document in documents(content):
            holder = first.setdefault(_identity(document), path)
            if holder != path and _identity(document)[-1]:
                problems.append((path, _duplicate(document, f"also defined in {holder}")))
    return tuple(sorted(problems, key=lambda pair: (pair[0], pair[1].line, pair[1].pointer)))


def _judge(document: Document) -> Iterator[ManifestProblem]:
    yield from _duplicate_keys(document)
    value = document.value
    if not isinstance(value, dict) or not value.get("apiVersion") or not value.get("kind"):
        yield _problem(document, "not-an-object", (), "apiVersion and kind are missing")
        return
    version, kind = str(value["apiVersion"]), str(value["kind"])
    group = version.rpartition("/")[0]
    served = SERVED_VERSIONS.get(group)
    if served is not None and version not in served:
        message = f"{version} is not served; {', '.join(served)} is"
        yield _problem(document, "unserved-version", ("apiVersion",), message)
        value = {**value, "apiVersion": served[-1]}
    validator = validator_of(group, str(value["apiVersion"]), kind)
    if validator is None:
        yield _problem(document, "unknown-kind", ("kind",), f"no schema for {kind} of {version}")
        return
    for error in validator.iter_errors(value):
        yield from _violations(document, error)
    if served is None:
        yield from _vocabulary(document, value, (), in_job=False)
        yield from _mounts(document, value, ())


def _violations(document: Document, error: Any) -> Iterator[ManifestProblem]:  # noqa: ANN401 - untyped
    path = tuple(error.absolute_path)
    if error.validator != "additionalProperties":
        rule = "enum" if error.validator in {"enum", "const"} else "schema"
        yield _problem(document, rule, path, error.message[:300])
        return
    known = error.schema.get("properties", {})
    for name in sorted(str(key) for key in error.instance if key not in known):
        yield _problem(document, "unknown-field", (*path, name), f"unknown field {name!r}")


def _vocabulary(
    document: Document, value: object, path: tuple[str | int, ...], *, in_job: bool
) -> Iterator[ManifestProblem]:
    job = isinstance(value, dict) and ("jobTemplate" in value or value.get("kind") == "Job")
    inside = in_job or job
    for key, item in _inside(value):
        if key in _FREE_TEXT:
            continue
        allowed = _JOB_RESTARTS if inside and key == "restartPolicy" else vocabulary(str(key))
        for word in item if isinstance(item, list) else [item]:
            if allowed and isinstance(word, str) and word not in allowed:
                message = f"{word!r} is not one of {', '.join(allowed)}"
                yield _problem(document, "enum", (*path, key), message)
        yield from _vocabulary(document, item, (*path, key), in_job=inside)


def _mounts(
    document: Document, value: object, path: tuple[str | int, ...]
) -> Iterator[ManifestProblem]:
    """Yield every mount of a volume that its pod does not have; no schema can tell."""
    if isinstance(value, dict) and isinstance(value.get("containers"), list):
        claims = mappings(document.field("spec", "volumeClaimTemplates"))
        volumes = {item.get("name") for item in mappings(value.get("volumes"))}
        volumes |= {Document(value=item).field("metadata", "name") for item in claims}
        for group in ("initContainers", "containers"):
            for container in mappings(value.get(group)):
                for mount in mappings(container.get("volumeMounts")):
                    if mount.get("name") not in volumes:
                        message = f"the pod has no volume {mount.get('name')!r} to mount"
                        place = (*path, group, value[group].index(container), "volumeMounts")
                        yield _problem(document, "missing-volume", place, message)
        return
    for key, item in _inside(value):
        yield from _mounts(document, item, (*path, key))


def _inside(value: object) -> list[tuple[str | int, Any]]:
    """Return the parts of a list or a mapping, each with the step that leads to it."""
    if isinstance(value, list):
        return list(enumerate(value))
    return [(str(key), item) for key, item in value.items()] if isinstance(value, dict) else []


def mappings(value: object) -> list[dict[str, Any]]:
    """Return the mappings of a list, nothing for what is no list."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _duplicate_keys(document: Document) -> Iterator[ManifestProblem]:
    import yaml  # noqa: PLC0415 - only manifests need the parser

    waiting = [_node(document.content, document.number)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen and key.tag != "tag:yaml.org,2002:merge":
                    yield ManifestProblem(
                        rule="duplicate-key",
                        line=key.start_mark.line + 1,
                        subject=document.subject,
                        pointer=str(key.value),
                        message=f"{key.value!r} stands twice in one mapping",
                    )
                seen.add(str(key.value))
                waiting.append(value)


def _duplicate_names(found: tuple[Document, ...]) -> list[ManifestProblem]:
    seen: set[tuple[str, ...]] = set()
    problems = []
    for document in found:
        identity = _identity(document)
        if identity in seen and identity[-1]:
            problems.append(_duplicate(document, "defined twice in this file"))
        seen.add(identity)
    return problems


def _duplicate(document: Document, message: str) -> ManifestProblem:
    return _problem(document, "duplicate-name", ("metadata", "name"), message)


def _identity(document: Document) -> tuple[str, ...]:
    group = str(document.field("apiVersion") or "").rpartition("/")[0]
    place = [document.field("metadata", key) or "" for key in ("namespace", "name")]
    return (group, document.kind, *(str(part) for part in place))


def _problem(
    document: Document, rule: str, path: tuple[str | int, ...], message: str
) -> ManifestProblem:
    return ManifestProblem(
        rule=rule,
        line=document.line_of(path),
        subject=document.subject,
        pointer=".".join(str(step) for step in path),
        message=message,
    )


def _child(node: Any, step: str | int) -> tuple[int, Any] | None:  # noqa: ANN401 - yaml is untyped
    if isinstance(step, int):
        inside = isinstance(node.value, list) and step < len(node.value)
        item = node.value[step] if inside else None
        return None if item is None or isinstance(item, tuple) else (item.start_mark.line + 1, item)
    if isinstance(node.value, list):
        for pair in node.value:
            if isinstance(pair, tuple) and pair[0].value == step:
                return pair[0].start_mark.line + 1, pair[1]
    return None
