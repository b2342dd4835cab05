"""Locate where an import fits into a TypeScript file, and how that file writes its imports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from closeout.fs.text_edit import Splice
from closeout.parsing import typescript

_BOM = b"\xef\xbb\xbf"


def statements(source: typescript.TypeScriptSource) -> list[typescript.Import]:
    """Return the `import` statements, leaving `require` calls out."""
    return [item for item in source.imports if item.place.kind == "import_statement"]


def extension(source: typescript.TypeScriptSource) -> str:
    """Return `.js` where the file's relative imports carry it, as ES modules need, else nothing."""
    relative = (item.source for item in statements(source) if item.source.startswith("."))
    return ".js" if any(name.endswith(".js") for name in relative) else ""


def insertion(  # noqa: PLR0913 - the file, what it gets, from where, and ahead of what
    content: bytes,
    folder: PurePosixPath,
    names: Sequence[str],
    module: PurePosixPath,
    ending: str = "",
    *,
    before: int,
) -> Splice:
    """Return the splice that imports `names` from `module` into a file of `folder`.

    It stands after the last import that ends ahead of the byte `before`, where the names are first
    used, else at the top: what is compiled to CommonJS runs imports where they stand. It is in the
    file's quotes and semicolons; the module's name ends as the file's other relative imports do,
    else with `ending`.
    """
    source = typescript.read(content)
    present = statements(source)
    sample = present[-1].place.text if present else content.decode("utf-8", "replace")
    quote = '"' if sample.count('"') > sample.count("'") else "'"
    end = ";" if (sample.endswith(";") if present else ";\n" in sample.replace("\r", "")) else ""
    name = f"{relative(folder, module.with_suffix(''))}{extension(source) or ending}"
    text = f"import {{ {', '.join(names)} }} from {quote}{name}{quote}{end}"
    ahead = [item for item in present if item.place.end <= before]
    if ahead:
        at = ahead[-1].place.end
        return Splice(start=at, end=at, text=f"\n{text}")
    at = len(_BOM) if content.startswith(_BOM) else 0
    return Splice(start=at, end=at, text=f"{text}\n\n")


def requirement(
    content: bytes, folder: PurePosixPath, names: Sequence[str], module: PurePosixPath, before: int
) -> Splice:
    """Return the splice that requires `names` from `module` in a CommonJS file of `folder`.

    It stands after the last `require` statement that ends ahead of the byte `before`, else at the
    top, below a directive.
    """
    root = typescript.parsed(content)
    ahead = [node for node in root.named_children if node.end_byte <= before]
    required = [node for node in ahead if b"require(" in (node.text or b"")]
    directives = [node for node in ahead[:1] if (node.text or b"")[:1] in {b"'", b'"'}]
    sample = (required[-1].text or b"").decode("utf-8", "replace") if required else ""
    quote = '"' if sample.count('"') > sample.count("'") else "'"
    end = ";" if not sample or sample.endswith(";") else ""
    name = relative(folder, module.with_suffix(""))
    text = f"const {{ {', '.join(names)} }} = require({quote}{name}{quote}){end}"
    for node in (required[-1:] or directives)[:1]:
        return Splice(start=node.end_byte, end=node.end_byte, text=f"\n{text}")
    at = content.find(b"\n") + 1 if content.startswith(b"#!") else 0
    return Splice(start=at, end=at, text=f"{text}\n\n")


def relative(folder: PurePosixPath, to: PurePosixPath) -> str:
    """Return `to` as a relative import from `folder`."""
    shared = 0
    for ours, theirs in zip(folder.parts, to.parent.parts, strict=False):
        if ours != theirs:
            break
        shared += 1
    climb = "../" * (len(folder.parts) - shared) or "./"
    return climb + "/".join(to.parts[shared:])
