"""A report's open findings as SARIF 2.1.0, for code scanning to show beside the code."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import closeout

_INFORMATION = "docs/gaps.md"


def render(report: Mapping[str, Any]) -> bytes:
    """Return every place that is still open; what is closed or merely unproven is no result."""
    results = [_result(place) for place in report["findings"]]
    rules = sorted({(place["rule"], place["gap"]) for place in report["findings"]})
    document = {
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "closeout",
                        "semanticVersion": closeout.__version__,
                        "rules": [_rule(rule, gap) for rule, gap in rules],
                    }
                },
                "columnKind": "utf16CodeUnits",
                "originalUriBaseIds": {
                    "ROOT": {"description": {"text": "The monorepo's top folder."}}
                },
                "properties": {"treeDigest": report["tree_digest"], "run": report["run"]},
                "results": results,
                **_invocations(report.get("bugs", ())),
            }
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def _invocations(bugs: Sequence[str]) -> dict[str, object]:
    """Return the failures of ours as the run's notifications; nothing without one."""
    if not bugs:
        return {}
    notifications = [{"level": "error", "message": {"text": bug}} for bug in bugs]
    return {
        "invocations": [{"executionSuccessful": False, "toolExecutionNotifications": notifications}]
    }


def _rule(rule: str, gap: str) -> dict[str, object]:
    return {
        "id": f"{gap}/{rule}",
        "shortDescription": {"text": f"{gap}: {rule.replace('-', ' ')}"},
        "help": {"text": f"Close it by: invoke fix.{gap}. See {_INFORMATION}."},
    }


def _result(place: Mapping[str, Any]) -> dict[str, object]:
    named = "named by the order" if place["named"] else "not named by the order"
    key = f"{place['gap']}/{place['rule']} {place['path']} {place['excerpt']}"
    return {
        "ruleId": f"{place['gap']}/{place['rule']}",
        "level": "error",
        "message": {"text": f"{place['message']} (criterion {place['criterion']}, {named})"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(place["path"]), "uriBaseId": "ROOT"},
                    "region": {"startLine": max(1, place["line"])},
                }
            }
        ],
        "partialFingerprints": {"place/v1": hashlib.sha256(key.encode()).hexdigest()},
    }
