"""What a reader refuses is told: no exception of a reader or detector is swallowed unseen."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src" / "closeout"
JUDGING = ("engine", "formats", "fs", "gaps", "parsing")

WRITING = {
    *("journal.py", "lock.py", "place.py", "recovery.py"),
    *("transaction.py", "undo.py", "writer.py"),
}
"""Modules of `fs` that write: what they may leave unsaid, tests/attack holds them to."""

TOLD_ELSEWHERE = {
    "engine/proposal.py:_lay_patch": "a patch that does not apply is derived anew",
    "engine/recalled.py:_recalled": "what cannot be recalled is asked again, or not kept",
    "engine/waivers.py:_day": "a date that cannot be read counts as expired",
    "formats/compose.py:services": "unparsable.compose_files",
    "formats/compose_check.py:published": "problems() says so of the same file",
    "formats/dockerfile.py:words": "what is no list is words, as the builder reads it",
    "formats/front_ends.py:_ports": "a manifest that is none serves no pages",
    "formats/helm.py:value": "unparsable.chart_values",
    "formats/manifests.py:documents_at": "validate(), unread_manifests, unparsable.chart_values",
    "formats/kustomize.py:_patched": "it says that the patch is no YAML",
    "formats/kustomize.py:_operated": "it says what the operation misses",
    "formats/npm.py:_is_workspace": "a manifest above that cannot be read names no members",
    "formats/schemas/__init__.py:_core_validator": "no schema of that kind: told as unknown",
    "formats/settings_delivery.py:compose_edits": "undelivered() keeps telling the place",
    "formats/tree_names.py:_compose_name": "unparsable.compose_files; a name is found elsewhere",
    "formats/tree_names.py:_node_name": "how what is rendered is called: a name is found elsewhere",
    "formats/tree_names.py:_python_name": "the same",
    "formats/x509.py:_is_address": "a question of form",
    "formats/x509.py:covers": "a certificate without names covers none",
    "formats/x509.py:names_of": "the same",
    "formats/x509.py:signed_by": "a signature that cannot be checked is none",
    "fs/cache.py:_loaded": "what is not recalled is asked again",
    "fs/cache.py:_signature": "the same",
    "fs/cache.py:keep": "the same, in the next run",
    "fs/cache.py:place_of": "nothing is kept without a home",
    "fs/json_reader.py:mapping": "by whoever asks it: each is an entry of its own",
    "fs/once.py:asked": "what cannot be hashed is asked each time",
    "fs/once.py:once": "the same",
    "fs/patching.py:_is_text": "a question of form",
    "fs/walk.py:_outside": "a link that leads nowhere is told",
    "fs/tree.py:_read": "absent, or refused as behind a link",
    "fs/tree.py:mode": "absent",
    "gaps/billing_tests/jest_package.py:read": "rules.runner() tells it as unparsable",
    "gaps/cors/strangers.py:compiled": "told by _is_untried() and, of Express, by untried()",
    "gaps/external_secrets/fallbacks/python.py:defaults": "unread_modules",
    "gaps/external_secrets/fix.py:_kustomization": "rule `kustomizations` tells it",
    "gaps/external_secrets/handover.py:written_in": "rule `literals` keeps telling the Secret",
    "gaps/external_secrets/inventory/broker_users.py:_user": "what is no Base64 is no hash",
    "gaps/external_secrets/inventory/broker_users.py:broker_users": "no server loads it either",
    "gaps/external_secrets/inventory/code.py:_in_python": "unread_modules",
    "gaps/external_secrets/inventory/declared.py:in_chart": "unparsable.chart_values",
    "gaps/external_secrets/inventory/planted.py:in_manifest": "unread_manifests",
    "gaps/external_secrets/inventory/scripts.py:shown": "all of a module is then held to be code",
    "gaps/external_secrets/remedies/images.py:_deployed": "unread_manifests",
    "gaps/external_secrets/remedies/kustomizations.py:_renamed": "rule `kustomizations` tells it",
    "gaps/external_secrets/remedies/pipelines.py:mended": "rule `literals` keeps telling the token",
    "gaps/mqtt_tls/access/topics.py:_python": "a client that does not parse runs nothing",
    "gaps/factory_secret/claims.py:_is_there": "the probe then asks the usual place, and tells",
    "gaps/mqtt_tls/certificates/__init__.py:renew": "certificates without names get the asked ones",
    "gaps/mqtt_tls/certificates/expiry.py:_read": "an authority that is not there signs nothing",
    "gaps/mqtt_tls/certificates/expiry.py:exposure": "reading the key tells that it is absent",
    "gaps/plugins.py:_named": "assert_declared() says so of the same file",
    "gaps/rate_limit/express/routes.py:_may_depend": "taken for a service of express",
    "gaps/sql/columns.py:_reading": "the survey tells the model as unparsable",
    "gaps/sql/days.py:_comes_from": "as in columns.py",
    "gaps/sql/detect.py:_quoted_in_macros": "a macro need not be SQL; what it writes, dbt compiles",
    "gaps/sql/fix.py:_changeset": "as in columns.py",
    "gaps/sql/places.py:entries": "the survey tells the project's YAML as unparsable",
    "gaps/sql/places.py:loaded": "the same",
    "gaps/sql/project.py:_defaulted": "the survey tells the model as unparsable",
    "gaps/vision_tests/rules.py:_configures": "rule `configuration` tells that there is none",
    "gaps/vision_tests/rules.py:_has_fixtures": "rule `shared-fixtures` tells that there are none",
    "parsing/demanded_variables.py:_by_python": "the gaps whose files these are tell it",
    "parsing/demanded_variables.py:_by_settings": "the same",
    "parsing/python_modules.py:_module": "Service.unparsable",
    "parsing/python_imports.py:_statements": "what does not parse loads nothing",
    "parsing/typescript_language.py:is_module": "how an import is spelled",
    "parsing/typescript_values.py:_figure": "a number that cannot be told is an unknown value",
}
"""Where a handler may end without a word, and where what it met is told instead."""


def _swallowing() -> Iterator[str]:
    for room in JUDGING:
        for module in sorted((SOURCES / room).rglob("*.py")):
            if "probing" in module.parts or module.name in WRITING:
                continue  # what a probe cannot ask is evidence without a pass
            name = module.relative_to(SOURCES).as_posix()
            for owner, node in _handlers(ast.parse(module.read_text())):
                if _is_silent(node):
                    yield f"{name}:{owner}"


def _handlers(module: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.ExceptHandler | ast.With) or _asks_for_an_object(node):
                    yield function.name, node


def _asks_for_an_object(node: ast.AST) -> bool:
    """Tell whether a call takes what is no JSON object for an empty one, which is silent too."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "json_reader.mapping"


def _is_silent(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return True
    if isinstance(node, ast.With):
        return any("suppress(" in ast.unparse(item.context_expr) for item in node.items)
    assert isinstance(node, ast.ExceptHandler)
    inside = [part for statement in node.body for part in ast.walk(statement)]
    says = any(isinstance(part, ast.Name) and part.id == node.name for part in inside)
    return not says and not any(isinstance(part, ast.Raise) for part in inside)


def test_no_exception_ends_in_silence_where_trees_are_judged() -> None:
    """A reader that gives up without a word makes a place look clean that nobody judged."""
    assert set(_swallowing()) == set(TOLD_ELSEWHERE)
