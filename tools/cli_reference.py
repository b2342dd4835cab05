"""The command reference: every task, session and subcommand with its options, from themselves."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from invoke import Collection
from invoke.parser import Argument

from closeout.cli.invoke_task import OPTION_HELP

_MAKERS = frozenset({"patches", "render"})
"""Collections of tasks that only makers call."""

_HEAD = (
    "Generated from the commands themselves. What `--json` writes, the exit codes and the lines "
    "that keep their shape are in [In continuous integration](ci.md)."
)


def page(
    tasks: Collection,
    noxfile: str,
    parser: argparse.ArgumentParser,
    makers: argparse.ArgumentParser,
) -> str:
    """Return the reference as Markdown, what users call first, then what only makers do.

    `noxfile` is the text of the project's sessions, `makers` the parser of `python -m tools`.
    """
    ours = {name for name in tasks.task_names if name.partition(".")[0] in _MAKERS}
    return "\n".join(
        [
            "# Commands",
            "",
            _HEAD,
            "",
            "## Tasks",
            "",
            *_tasks(tasks, set(tasks.task_names) - ours),
            "## Sessions",
            "",
            "They judge a monorepo; `--root DIR` goes after `--`.",
            "",
            session_table(noxfile, yours=True),
            "",
            "## Subcommands",
            "",
            "`closeout` and `python -m closeout` are the same; sessions and CI use them.",
            "",
            *_subcommands(parser),
            "## What only the makers of this project run",
            "",
            *_tasks(tasks, ours),
            session_table(noxfile, yours=False),
            "",
            *_subcommands(makers),
        ]
    )


def session_table(noxfile: str, *, yours: bool) -> str:
    """Return the sessions with what they say of themselves as a Markdown table.

    A session that takes a root is yours; the others judge this project itself.
    """
    rows = [
        f"| `{example}` | {cell(first)} |"
        for _, first, example in sessions(noxfile)
        if ("--root" in example) is yours
    ]
    return "\n".join(["| session | what it does |", "| --- | --- |", *rows])


def sessions(noxfile: str) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the first line and the example of every session."""
    for node in ast.parse(noxfile).body:
        if isinstance(node, ast.FunctionDef) and any(
            ast.unparse(mark).startswith("nox.session") for mark in node.decorator_list
        ):
            first, *others = (ast.get_docstring(node) or node.name).splitlines()
            told = (line.removeprefix("Example: ") for line in others if "Example: " in line)
            yield node.name, first, next(told, f"nox -s {node.name}")


def _tasks(tasks: Collection, named: Iterable[str]) -> Iterator[str]:
    for name in sorted(named):
        doc, _, example = " ".join((tasks[name].__doc__ or "").split()).partition("Example: ")
        yield from (
            f"### invoke {name}",
            "",
            doc.strip(),
            "",
            "```",
            example.removesuffix("."),
            "```",
            "",
        )
        told = OPTION_HELP[name]
        rows = [_option(argument, told) for argument in tasks[name].get_arguments()]
        yield from ("| option | what it does |", "| --- | --- |", *rows, "")


def _option(argument: Argument, told: Mapping[str, str]) -> str:
    name = str(argument.name).replace("_", "-")
    value = "" if argument.kind is bool else f" {name.upper()}"
    needed = " (needed)" if argument.positional else ""
    return f"| `--{name}{value}` | {cell(told.get(name, ''))}{needed} |"


def _subcommands(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no public walk
        if not isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            continue
        told = {choice.dest: choice.help or "" for choice in action._choices_actions}  # noqa: SLF001 - as above
        for name, command in action.choices.items():
            example = (command.epilog or "").removeprefix("example: ")
            yield from (f"### {parser.prog} {name}", "", f"{_sentence(told[name])}", "")
            yield from ("```", example, "```", "", "| option | what it does |", "| --- | --- |")
            yield from (_argument(one) for one in command._actions if one.dest != "help")  # noqa: SLF001 - as above
            yield ""


def _argument(action: argparse.Action) -> str:
    choices = "/".join(str(choice) for choice in action.choices or ())
    value = "" if action.nargs == 0 else choices or action.dest.upper()
    said = " ".join([*action.option_strings, value]).strip()
    needed = " (needed)" if action.required and action.option_strings else ""
    return f"| `{said}` | {cell(action.help or '')}{needed} |"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def cell(text: str) -> str:
    """Return text on one line that ends no cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")


def outside(site: Path) -> Iterator[str]:
    """Yield what a built site would ask the network for: scripts, styles, images and fonts."""
    for place in sorted(site.rglob("*")):
        if place.suffix in {".html", ".css", ".js"}:
            for line in place.read_text("utf-8", "replace").splitlines():
                lowered = line.lower()
                loads = any(word in lowered for word in ("src=", "<link", "url(", "@import"))
                if loads and any(
                    mark in lowered for mark in ("http://", "https://", '"//', "'//", "(//")
                ):
                    yield f"{place.relative_to(site)}: {line.strip()[:160]}"
