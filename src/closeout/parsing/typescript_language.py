"""Tell what the files of a Node service are written in, and how they refer to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.fs import json_reader
from closeout.fs.text_edit import Splice
from closeout.model import Tree
from closeout.parsing import typescript
from closeout.parsing import typescript_imports as imports
from closeout.parsing.typescript_plain import Modules, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What new files of a service are written in."""

    suffix: str
    extension: str
    """What relative imports end with."""
    modules: Modules

    def written(self, rendered: bytes) -> bytes:
        """Return rendered TypeScript in this language."""
        return rendered if self.suffix == ".ts" else plain(rendered, self.modules)


def language(tree: Tree, service: PurePosixPath, users: Sequence[PurePosixPath]) -> Language | None:
    """Return a language that the files `users` can import from, None where there is none known."""
    suffixes = {path.suffix for path in users}
    sources = [typescript.read(tree.read(path) or b"") for path in users]
    extension = max((imports.extension(source) for source in sources), default="")
    if suffixes == {".ts"}:
        return Language(suffix=".ts", extension=extension, modules=Modules.ES)
    if not suffixes <= {".ts", ".js"}:
        return None
    configuration = tree.read(service / "tsconfig.json")
    if configuration is not None or ".ts" in suffixes:
        if b'"allowJs":true' not in (configuration or b"").replace(b" ", b""):
            return None
        return Language(suffix=".ts", extension=extension, modules=Modules.ES)
    if any(_is_es(tree.read(path) or b"") for path in users):
        ending = extension or (".js" if is_module(tree, service) else "")
        return Language(suffix=".js", extension=ending, modules=Modules.ES)
    return Language(suffix=".js", extension="", modules=Modules.COMMONJS)


def unspoken(tree: Tree, service: PurePosixPath, users: Sequence[PurePosixPath]) -> str:
    """Return why `language` knows none for the files `users`."""
    others = sorted({path.suffix for path in users} - {".ts", ".js"})
    if others:
        return f"{' and '.join(others)} files are not edited, only .ts and .js"
    if tree.read(service / "tsconfig.json") is None:
        return "no tsconfig.json says whether .js and .ts files may import each other here"
    return "tsconfig.json has no allowJs, so .js and .ts files cannot import each other"


def brought_in(  # noqa: PLR0913 - the file, what it gets and from where
    content: bytes,
    folder: PurePosixPath,
    names: Sequence[tuple[str, str]],
    module: PurePosixPath,
    *,
    extension: str,
    before: int,
) -> Splice:
    """Return the splice that brings names of `module` into a file of `folder`, in its manner.

    `names` are pairs of the exported and the local name; the file has them ahead of
    the byte `before`.
    """
    is_required = not _is_es(content)
    between = ": " if is_required else " as "
    texts = [there if there == here else f"{there}{between}{here}" for there, here in names]
    if is_required:
        return imports.requirement(content, folder, texts, module, before)
    return imports.insertion(content, folder, texts, module, extension, before=before)


def is_module(tree: Tree, service: PurePosixPath) -> bool:
    """Return whether a service's manifest says that its files are ES modules."""
    manifest = json_reader.mapping(tree.read(service / "package.json"))
    return bool(manifest.get("type") == "module")


def _is_es(content: bytes) -> bool:
    """Return whether the file imports or exports by statements."""
    kinds = {node.type for node in typescript.parsed(content).named_children}
    return bool(kinds & {"import_statement", "export_statement"})
