"""What to ask a cluster about the operator and the secrets that it brings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from closeout.harness.cluster import Answer, Question

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
"""A part of a duration as Go writes it: a cluster says `1h0m0s` where a manifest says `1h`."""
_NO_INTERVAL = frozenset({"CreatedOnce", "OnChange"})
"""Policies under which the operator takes no notice of the interval."""
_MISSED_REFRESHES = 2


def _serves_v1(answer: Answer) -> Iterator[str]:
    served = [item["name"] for item in answer["spec"]["versions"] if item["served"]]
    if "v1" not in served:
        yield f"serves {', '.join(sorted(served)) or 'no version'}, not v1"


def _deployments_run(answer: Answer) -> Iterator[str]:
    items = answer["items"]
    if not items:
        yield "no deployment of the operator"
    for item in items:
        if _condition(item, "Available") != "True":
            yield f"{item['metadata']['name']} is not available"


def _store_is_ready(answer: Answer) -> Iterator[str]:
    if _condition(answer, "Ready") != "True":
        yield f"{answer['metadata']['name']} is not ready: {_reason(answer)}"


def _entries_arrive(answer: Answer) -> Iterator[str]:
    items = answer["items"]
    if not items:
        yield "the cluster holds no ExternalSecret"
    for item in items:
        name = f"{item['metadata']['namespace']}/{item['metadata']['name']}"
        if _condition(item, "Ready") != "True":
            yield f"{name} is not synced: {_reason(item)}"
        elif _is_late(item):
            yield f"{name} was last synced at {item['status'].get('refreshTime') or 'no time'}"


def _consumers_read(answer: Answer) -> Iterator[str]:
    held: dict[tuple[str, str], set[str] | None] = {}
    workloads = []
    for item in answer["items"]:
        if item["kind"] == "ExternalSecret":
            made = item["spec"].get("target", {}).get("name") or item["metadata"]["name"]
            rows = {row["secretKey"] for row in item["spec"].get("data") or ()}
            opaque = item["spec"].get("dataFrom") or item["spec"].get("target", {}).get("template")
            held[item["metadata"]["namespace"], made] = None if opaque else rows
        else:
            workloads.append(item)
    read = 0
    for item in workloads:
        place = item["metadata"]["namespace"]
        name = f"{item['kind']} {place}/{item['metadata']['name']}"
        wanted = [each for each in _wanted_keys(item) if (place, each[0]) in held]
        read += bool(wanted)
        for secret, key in wanted:
            keys = held[place, secret]
            if key and keys is not None and key not in keys:
                yield f"{name} reads {key} of {secret}, which no entry provides"
        if wanted and item["kind"] == "Deployment" and _condition(item, "Available") != "True":
            yield f"{name} is not available"
    if not read:
        yield "no workload reads a Secret that an ExternalSecret makes"


def _wanted_keys(item: Answer) -> Iterator[tuple[str, str]]:
    """Yield the Secret and key of every variable; the key is empty where a whole Secret is read."""
    pod = item["spec"]["template"]["spec"]
    for container in (*pod.get("initContainers", ()), *pod["containers"]):
        for source in container.get("envFrom") or ():
            if "secretRef" in source:
                yield source["secretRef"]["name"], ""
        for variable in container.get("env") or ():
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if reference and not reference.get("optional"):
                yield reference["name"], reference["key"]


def _condition(item: Answer, kind: str) -> str:
    for row in item.get("status", {}).get("conditions") or ():
        if row.get("type") == kind:
            return str(row.get("status"))
    return "absent"


def _reason(item: Answer) -> str:
    for row in item.get("status", {}).get("conditions") or ():
        if row.get("type") == "Ready":
            return str(row.get("reason") or row.get("status"))
    return "no condition yet"


def _is_late(item: Answer) -> bool:
    spec = item.get("spec", {})
    parts = _DURATION.findall(str(spec.get("refreshInterval") or "1h"))
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if not seconds or spec.get("refreshPolicy") in _NO_INTERVAL:
        return False
    stamp = str(item["status"].get("refreshTime") or "")
    if not stamp:
        return True
    age = datetime.now(UTC) - datetime.fromisoformat(stamp)
    return age.total_seconds() > _MISSED_REFRESHES * seconds


QUESTIONS = (
    Question(
        id="external-secrets.api-served",
        criterion="10.1",
        arguments=("get", "customresourcedefinition", "externalsecrets.external-secrets.io"),
        expected="the operator's definitions are there and serve v1",
        judge=_serves_v1,
    ),
    Question(
        id="external-secrets.operator-runs",
        criterion="10.1",
        arguments=("get", "deployments", "--namespace", "external-secrets"),
        expected="every deployment of the operator is available",
        judge=_deployments_run,
    ),
    Question(
        id="external-secrets.store-ready",
        criterion="10.4",
        arguments=("get", "clustersecretstore", "gcp-secret-manager"),
        expected="the store reaches the secret manager",
        judge=_store_is_ready,
    ),
    Question(
        id="external-secrets.entries-synced",
        criterion="10.4",
        arguments=("get", "externalsecrets", "--all-namespaces"),
        expected="every ExternalSecret is synced, within two refresh intervals",
        judge=_entries_arrive,
    ),
    Question(
        id="external-secrets.consumers-read",
        criterion="10.4",
        arguments=(
            "get",
            "deployments,statefulsets,daemonsets,externalsecrets",
            "--all-namespaces",
        ),
        expected="every workload finds the keys that it reads, and runs with them",
        judge=_consumers_read,
    ),
    Question(
        id="external-secrets.secrets-arrive",
        criterion="M.9",
        arguments=("get", "externalsecrets", "--namespace", "farmiq-cloud-prod"),
        expected="the cloud services' secrets are synced, within two refresh intervals",
        judge=_entries_arrive,
    ),
)
"""In the order of the criteria."""
