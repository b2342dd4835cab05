"""Locate where an import fits into a TypeScript file, and how that file writes its imports."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from closeout.anchors import typescript
from closeout.splicing import Splice

_BOM = b"\xef\xbb\xbf"


def statements(source: typescript.Source) -> list[typescript.Import]:
    """Return the `import` statements, leaving `require` calls out."""
    return [item for item in source.imports if item.place.kind == "import_statement"]


def extension(source: typescript.Source) -> str:
    """Return `.js` where the file's relative imports carry it, as ES modules need, else nothing."""
    relative = (item.source for item in statements(source) if item.source.startswith("."))
    return ".js" if any(name.endswith(".js") for name in relative) else ""


def insertion(
    content: bytes, folder: PurePosixPath, names: Sequence[str], module: PurePosixPath
) -> Splice:
    """Return the splice that imports `names` from `module` into a file of `folder`.

    It stands after the last import, else at the top, in the file's quotes and semicolons.
    """
    source = typescript.read(content)
    present = statements(source)
    sample = present[-1].place.text if present else content.decode("utf-8", "replace")
    quote = '"' if sample.count('"') > sample.count("'") else "'"
    end = ";" if (sample.endswith(";") if present else ";\n" in sample.replace("\r", "")) else ""
    name = f"{relative(folder, module.with_suffix(''))}{extension(source)}"
    text = f"import {{ {', '.join(names)} }} from {quote}{name}{quote}{end}"
    if present:
        at = present[-1].place.end
        return Splice(start=at, end=at, text=f"\n{text}")
    at = len(_BOM) if content.startswith(_BOM) else 0
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
