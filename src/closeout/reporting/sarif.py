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
    """Return every place that is still open; what is closed or merely unproven is no result.

    What does not apply to the tree is a notification: readers take every result for an alert.
    """
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
                **_invocations(report.get("bugs", ()), _skipped(report)),
            }
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False).encode() + b"\n"


def _invocations(bugs: Sequence[str], skipped: Sequence[str]) -> dict[str, object]:
    """Return failures of ours and what was skipped as notifications; nothing without one."""
    told = [("error", bug) for bug in bugs] + [("none", reason) for reason in skipped]
    if not told:
        return {}
    notifications = [{"level": level, "message": {"text": text}} for level, text in told]
    run = {"executionSuccessful": not bugs, "toolExecutionNotifications": notifications}
    return {"invocations": [run]}


def _skipped(report: Mapping[str, Any]) -> list[str]:
    return [
        f"criterion {row['id']} does not apply: {row['because']}"
        for row in report["criteria"]
        if row["verdict"] == "NOT_APPLICABLE" and not row["rests_on"]
    ]


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
