"""The manifests for point in time: strict, and fit for a StatefulSet that they patch."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import pytest
import yaml

from closeout.formats import manifests as kubernetes
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.backup import GAP, point_in_time

STATEFULSET = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: postgres}
spec:
  serviceName: postgres
  selector: {matchLabels: {app.kubernetes.io/name: postgres}}
  template:
    metadata: {labels: {app.kubernetes.io/name: postgres}}
    spec:
      containers:
        - name: postgres
          image: postgres:16-alpine
          volumeMounts: [{name: data, mountPath: /var/lib/postgresql/data}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 10Gi}}}
"""
RENDERED = {item.path: item.content() for item in point_in_time.manifests()}


def patched(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return `old` with a strategic merge patch applied: lists merge by name."""
    made = dict(old)
    for key, value in new.items():
        held = made.get(key)
        if isinstance(value, dict) and isinstance(held, dict):
            made[key] = patched(held, value)
        elif isinstance(value, list) and isinstance(held, list) and isinstance(value[0], dict):
            made[key] = merged(held, value)
        else:
            made[key] = value
    return made


def merged(old: Sequence[Any], new: Sequence[Any]) -> list[Any]:
    """Return the items of both, those of one name as one."""
    by_name = {item["name"]: item for item in old}
    for item in new:
        by_name[item["name"]] = patched(by_name.get(item["name"], {}), item)
    return list(by_name.values())


def test_every_manifest_is_valid_under_strict_schemas() -> None:
    """No unknown field, no unserved version, nothing mounted that is not defined."""
    files = {path: text for path, text in RENDERED.items() if path.suffix == ".yaml"}
    assert len(files) == 3
    assert kubernetes.validate_together(files) == ()


def test_patch_makes_a_valid_statefulset_whose_mounts_are_defined() -> None:
    """What the patch adds to a plain StatefulSet passes the strict schema as well."""
    held = yaml.safe_load(RENDERED[point_in_time.PATCH])
    patch = yaml.safe_load(held["patches"][0]["patch"])
    whole = patched(yaml.safe_load(STATEFULSET), patch)
    assert kubernetes.validate(yaml.safe_dump(whole).encode()) == ()
    pod = whole["spec"]["template"]["spec"]
    defined = {item["name"] for item in pod["volumes"]} | {"data"}
    mounted = {item["name"] for part in pod["containers"] for item in part["volumeMounts"]}
    assert mounted == defined
    assert [part["name"] for part in pod["containers"]] == ["postgres", "pgbackrest"]


def test_server_of_the_patch_is_told_to_read_renewed_certificates() -> None:
    """Its process is the container's first, and Kubernetes takes nothing out of the command."""
    held = yaml.safe_load(RENDERED[point_in_time.PATCH])
    pod = yaml.safe_load(held["patches"][0]["patch"])["spec"]["template"]["spec"]
    shell, options, script = pod["containers"][1]["command"]
    assert (shell, options) == ("/bin/bash", "-ec")
    assert "kill -HUP" in script
    assert script.endswith("exec pgbackrest server")
    assert not re.search(r"\$[$(]", script)


def test_patch_names_only_what_the_manifests_define() -> None:
    """ConfigMaps, secrets, the account and the port that one file names are made by the other."""
    jobs = kubernetes.documents(RENDERED[point_in_time.JOBS])
    named = {(item.kind, item.field("metadata", "name")) for item in jobs}
    held = yaml.safe_load(RENDERED[point_in_time.PATCH])
    pod = yaml.safe_load(held["patches"][0]["patch"])["spec"]["template"]["spec"]
    made = {item.field("spec", "secretName") for item in jobs if item.kind == "Certificate"}
    assert ("ServiceAccount", pod["serviceAccountName"]) in named
    for volume in pod["volumes"]:
        if "configMap" in volume:
            assert ("ConfigMap", volume["configMap"]["name"]) in named
        if "secret" in volume:
            assert volume["secret"]["secretName"] in made


def test_database_lets_in_the_name_that_the_jobs_certificate_carries() -> None:
    """The two ends meet at the same host name, port and common name."""
    by_name = {
        (item.kind, item.field("metadata", "name")): item
        for item in kubernetes.documents(RENDERED[point_in_time.JOBS])
    }
    conf = by_name["ConfigMap", "pgbackrest-database"].field("data", "pgbackrest.conf")
    job = by_name["ConfigMap", "pgbackrest-job"].field("data", "pgbackrest.conf")
    client = by_name["Certificate", "pgbackrest-client"].field("spec", "commonName")
    host = by_name["Certificate", "pgbackrest-server"].field("spec", "dnsNames")[0]
    service = by_name["Service", host].field if ("Service", host) in by_name else None
    assert f"tls-server-auth={client}=main" in conf
    assert f"pg1-host={host}\n" in job
    assert service is not None
    for text in (conf, job):
        assert re.search(r"port=8432$", text, re.MULTILINE)


SERVER = "  {name}:\n    image: {image}\n{rest}"
GIVEN = "    environment:\n      - POSTGRES_USER={}\n"


@pytest.mark.parametrize(
    ("servers", "role"),
    [
        (["postgres:16-alpine", GIVEN.format("${POSTGRES_USER:-barn}")], "barn"),
        (["timescale/timescaledb:2", GIVEN.format("barn")], "barn"),
        (["postgres:16", ""], "postgres"),
        # Near misses: who can tell, two servers, and a client that is told the role.
        (["postgres:16", "    env_file: .env\n"], "postgres"),
        (["postgres:16", GIVEN.format("${POSTGRES_USER}")], "postgres"),
        (["postgres:16", GIVEN.format("barn"), "postgres:16", GIVEN.format("shed")], "postgres"),
        (["postgres:16", GIVEN.format("barn"), "api:1", GIVEN.format("shed")], "barn"),
    ],
)
def test_backups_sign_in_as_the_role_that_compose_makes_the_server_with(
    servers: list[str], role: str
) -> None:
    """A server that was made with another name has no role `postgres`; the README says which."""
    pairs = list(zip(servers[::2], servers[1::2], strict=True))
    text = "services:\n" + "".join(
        SERVER.format(name=f"s{number}", image=image, rest=rest)
        for number, (image, rest) in enumerate(pairs)
    )
    changesets = GAP.fix(MemoryTree(CLUSTERED | {"docker-compose.yml": text.encode()}))
    made = {edit.path: edit.after for item in changesets for edit in item.edits}
    jobs = made[point_in_time.JOBS].decode()
    assert re.findall(r"pg1-user=(.*)", jobs) == [role, role]
    taken = made[point_in_time.FOLDER / "README.md"].decode().split("## ")[1]
    assert f"as `{role}`" in taken


def test_instructions_do_not_promise_that_debian_takes_over_what_alpine_made() -> None:
    """Its server refuses a folder of another account, and may not give itself that."""
    text = RENDERED[point_in_time.FOLDER / "README.md"].decode()
    assert "REINDEX" not in text
    assert "data directory has wrong ownership" in text
    assert "pg_dumpall" in text


CLUSTERED = {
    "docker-compose.yml": b"services:\n  db:\n    image: postgres:16\n",
    "k8s/namespace.yaml": b"apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n",
}
"""A tree with a database and a cluster."""


def test_archiving_is_derived_where_nothing_archives_and_only_there() -> None:
    """A tree whose server archives by another engine keeps it."""
    other = b"kind: Cluster\nspec: {backup: {barmanObjectStore: {}}}\n"
    for files, wanted in (({}, True), ({"k8s/cluster.yaml": other}, False)):
        changesets = GAP.fix(MemoryTree({**CLUSTERED, **files}))
        paths = {edit.path for item in changesets for edit in item.edits}
        assert (point_in_time.JOBS in paths) is wanted


def test_archiving_alone_is_added_to_a_tree_that_has_the_rest() -> None:
    """A tree that was closed out before keeps its files and gets the missing folder."""
    edits = [edit for item in GAP.fix(MemoryTree(CLUSTERED)) for edit in item.edits]
    older = Overlay(
        MemoryTree(CLUSTERED),
        [edit for edit in edits if not edit.path.is_relative_to(point_in_time.FOLDER)],
    )
    added = {edit.path for item in GAP.fix(older) for edit in item.edits}
    assert added == set(RENDERED)
    assert PurePosixPath("k8s/point-in-time/README.md") in added
