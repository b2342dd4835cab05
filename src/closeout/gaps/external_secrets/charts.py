"""Have charts hand every secret on to their service, and roll it out when one has changed.

A process keeps the values it started with. The version of the Secret stands in the pod template, so
an upgrade after a rotation makes new pods; `roll-out.sh` writes the same between upgrades.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from closeout.formats.helm import SECRET, Variables, values_files, variables
from closeout.fs.text_edit import Splice, line_number, splice
from closeout.fs.tree import below
from closeout.gaps.external_secrets.declared import Declared
from closeout.gaps.external_secrets.inventory import SecretVariable
from closeout.gaps.external_secrets.target import secret_name
from closeout.gaps.external_secrets.wanted import Identity, WantedSecret
from closeout.model import Changeset, Edit, Place, Reason, Source, Tree, Unresolved

_WORKLOAD = re.compile(rb"^kind:[ \t]*(?:Deployment|StatefulSet|DaemonSet)\b", re.MULTILINE)
_READS = re.compile(rb"secretKeyRef|secretRef")
_ROLLS = re.compile(
    rb"lookup[ \t]+\"v1\"[ \t]+\"Secret\"|reloader\.stakater\.com|checksum/\S*secret"
)
_REMARK = re.compile(
    rb"\{\{-?\s*/\*.*?\*/\s*-?\}\}|(?:^|(?<=[ \t]))#[^\n]*", re.DOTALL | re.MULTILINE
)
_POD = re.compile(
    rb"^(?P<indent>[ \t]+)template:[ \t]*\r?\n(?P<deeper>[ \t]+)metadata:[ \t]*\r?\n"
    rb"(?:(?P<inner>[ \t]+)annotations:[ \t]*\r?\n)?",
    re.MULTILINE,
)
_STEP = "  "
_GATE = b'{{- if not (.Capabilities.APIVersions.Has "external-secrets.io/v1/ExternalSecret") }}'
_FIRST = (
    b"{{- /* Where the operator runs, it makes this Secret: apply k8s/external-secrets before the "
    b"next release of the chart, which takes the chart's own away. */}}"
)
_CHART = ("helm", "Chart.yaml")


def chart_files(
    tree: Tree, state: Declared, found: Iterable[SecretVariable]
) -> tuple[PurePosixPath, ...]:
    """Return the values and workloads of the charts of services that have a secret."""
    services = _folders(tree, found)
    return (*values_files(tree, frozenset(services)), *_workloads(tree, state, services))


def unwired(tree: Tree, state: Declared, found: Iterable[SecretVariable]) -> Iterator[Place]:
    """Yield the charts that leave a secret out, and the workloads that no rotation reaches."""
    services = _folders(tree, found)
    for listed, missing in _incomplete(tree, services):
        for name in missing:
            line = listed.node.line
            yield Place(path=listed.path, line=line, message=f"does not hand {name} on")
    for path in _workloads(tree, state, services):
        content = tree.read(path) or b""
        if not _rolls(content):
            place = _WORKLOAD.search(content)
            line = line_number(content, place.start()) if place else 1
            message = "its pods keep a secret's old value: nothing rolls them out when it changes"
            yield Place(path=path, line=line, message=message)


def mended_charts(
    tree: Tree, state: Declared, found: Iterable[SecretVariable]
) -> Iterator[Changeset]:
    """Yield one changeset a file that `unwired` names."""
    services = _folders(tree, found)
    for listed, missing in _incomplete(tree, services):
        secret = secret_name(listed.service.name)
        text = "\n".join(f"{name}:\n  secret: {secret}\n  key: {name}" for name in missing)
        yield _changeset(tree, listed.path, splice(listed.content, [listed.added(text)]))
    for path, (service, secrets) in _workloads(tree, state, services).items():
        content = tree.read(path) or b""
        if _rolls(content):
            continue
        pods = list(_POD.finditer(content))
        if len(pods) == 1:
            added = splice(content, [_annotation(pods[0], secrets)])
            yield _changeset(tree, path, added)
        else:
            unresolved = Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                detail="its pod template is not written in a way that an annotation could be "
                "added to",
                hint=f"add an annotation with the version of {', '.join(secrets)} to its pods.",
            )
            yield Changeset(name=f"roll-out-{service.name}", edits=(), unresolved=(unresolved,))


def gated_secrets(
    tree: Tree, state: Declared, needed: Mapping[Identity, WantedSecret]
) -> Iterator[Changeset]:
    """Yield the templates that leave their Secret to the operator where a cluster has it.

    Without the operator a chart makes its Secret as before: an upgrade takes nothing away.
    """
    made = {*needed, *((item.target, item.namespace) for item in state.secrets)}
    paths = {
        owned.path
        for namespace, owned in state.owned
        if not owned.gated and (owned.name, namespace) in made
    }
    for path in sorted(paths):
        content = tree.read(path) or b""
        if len(re.findall(rb"(?m)^kind:", content)) == 1:
            ending = b"\r\n" if b"\r\n" in content else b"\n"
            after = ending.join((_GATE, _FIRST, content.rstrip(), b"{{- end }}", b""))
            yield _changeset(tree, path, after)
        else:
            unresolved = Unresolved(
                path=path,
                reason=Reason.AMBIGUOUS,
                detail="it makes a Secret that an ExternalSecret makes too, and more beside it",
                hint="leave that Secret out where the cluster serves external-secrets.io/v1.",
            )
            yield Changeset(name=f"gate-{path.stem}", edits=(), unresolved=(unresolved,))


def annotated(tree: Tree, state: Declared, found: Iterable[SecretVariable]) -> bool:
    """Return whether the charts' pods carry a Secret's version, or will."""
    return not _rendered(state) and bool(_workloads(tree, state, _folders(tree, found)))


def _rolls(content: bytes) -> bool:
    """Return whether the template renews its pods with a Secret; a remark says nothing."""
    return _ROLLS.search(_REMARK.sub(b"", content)) is not None


def _rendered(state: Declared) -> set[PurePosixPath]:
    return {PurePosixPath(each.folder) for each in state.destinations if each.is_rendered}


def _folders(tree: Tree, found: Iterable[SecretVariable]) -> dict[PurePosixPath, list[str]]:
    """Return the secrets of every service that has a chart, by its folder."""
    names: dict[str, list[str]] = defaultdict(list)
    for item in found:
        names[item.service].append(item.name)
    charts = {path.parents[1] for path in tree.paths() if path.parts[-2:] == _CHART}
    return {folder: names[folder.name] for folder in sorted(charts) if folder.name in names}


def _incomplete(
    tree: Tree, services: dict[PurePosixPath, list[str]]
) -> Iterator[tuple[Variables, list[str]]]:
    for listed in variables(tree, frozenset(services), SECRET):
        missing = [name for name in services[listed.service] if name not in listed.names]
        if missing and listed.node.entries[-1].value.get("secret") is not None:
            yield listed, missing


def _workloads(
    tree: Tree, state: Declared, services: dict[PurePosixPath, list[str]]
) -> dict[PurePosixPath, tuple[PurePosixPath, tuple[str, ...]]]:
    """Return the templates of workloads that read Secrets, each with its service and those."""
    found: dict[PurePosixPath, tuple[PurePosixPath, tuple[str, ...]]] = {}
    for service in services:
        for path in below(tree, service / "helm" / "templates"):
            content = tree.read(path) or b""
            if _WORKLOAD.search(content) and _READS.search(content):
                found[path] = (service, (secret_name(service.name),))
    for folder, secrets in _read_by_charts(tree, state).items():
        for path in below(tree, folder / "templates"):
            if path not in found and _WORKLOAD.search(tree.read(path) or b""):
                found[path] = (folder, secrets)
    return found


def _read_by_charts(tree: Tree, state: Declared) -> dict[PurePosixPath, tuple[str, ...]]:
    """Return the Secrets that each chart's pods read, by the chart's folder, in any layout.

    A chart that is rendered without the cluster is left out: there the version would never change,
    and what roll-out.sh writes over it would be put back.
    """
    rendered = _rendered(state)
    folders = {path.parent for path in tree.paths() if path.name == _CHART[-1]} - rendered
    read: dict[PurePosixPath, set[str]] = defaultdict(set)
    for need in state.needs:
        for folder in folders & {*need.path.parents}:
            if need.is_secret:
                read[folder].add(need.secret)
    return {folder: tuple(sorted(names)) for folder, names in sorted(read.items())}


def _annotation(pod: re.Match[bytes], secrets: Iterable[str]) -> Splice:
    held = pod["inner"]
    indent = (held or pod["deeper"] + (len(pod["deeper"]) - len(pod["indent"])) * b" ").decode()
    text = "" if held else f"{indent}annotations:\n"
    for secret in secrets:
        looked_up = f'lookup "v1" "Secret" .Release.Namespace "{secret}"'
        text += (
            f"{indent}{_STEP}secret-version/{secret}: "
            f'{{{{ {looked_up} | dig "metadata" "resourceVersion" "absent" | quote }}}}\n'
        )
    return Splice(start=pod.end(), end=pod.end(), text=text)


def _changeset(tree: Tree, path: PurePosixPath, after: bytes) -> Changeset:
    edit = Edit.of(tree, path, after)
    service = path.parts[-4] if path.parent.name == "templates" else path.parts[-3]
    return Changeset(name=f"chart-{service}-{path.stem}", edits=(edit,), source=Source.CODE)
