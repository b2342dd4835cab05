"""Write the limiters' modules in the service's own language and place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from closeout.anchors import typescript
from closeout.anchors import typescript_imports as imports
from closeout.anchors.typescript_plain import Modules, plain
from closeout.model import Edit
from closeout.rendering import render
from closeout.tree import Tree

_NAMES = ("authRateLimiter", "authAttemptLimiter")
_STORE = "authFailureStore"
_LIMITERS = "rate-limit/authRateLimiter.ts.j2"
COMMON: Mapping[str, object] = {
    "accounts": ("email",),
    "secrets": ("password",),
    "tokens": ("refreshToken", "refresh_token"),
    "is_token_known": True,
}
"""What most handlers read, and what the prepared patch was made for."""
_FOLDERS = ("src/middleware", "src/middlewares", "middleware", "middlewares")


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """What a service's sources are written in."""

    suffix: str
    extension: str
    """What relative imports end with."""
    modules: Modules


def language(
    tree: Tree, service: PurePosixPath, routers: Sequence[PurePosixPath]
) -> Language | None:
    """Return the language that the routers can import from, None where there is none known."""
    suffixes = {path.suffix for path in routers}
    sources = [typescript.read(tree.read(path) or b"") for path in routers]
    extension = max((imports.extension(source) for source in sources), default="")
    if suffixes == {".ts"}:
        return Language(suffix=".ts", extension=extension, modules=Modules.ES)
    if not suffixes <= {".ts", ".js"}:
        return None
    configuration = tree.read(service / "tsconfig.json")
    if configuration is not None or ".ts" in suffixes:
        is_allowed = b'"allowJs": true' in (configuration or b"").replace(b'":true', b'": true')
        return (
            Language(suffix=".ts", extension=extension, modules=Modules.ES) if is_allowed else None
        )
    if any(imports.statements(source) for source in sources):
        is_module = _is_module(tree.read(service / "package.json") or b"{}")
        ending = extension or (".js" if is_module else "")
        return Language(suffix=".js", extension=ending, modules=Modules.ES)
    return Language(suffix=".js", extension="", modules=Modules.COMMONJS)


def free_module(tree: Tree, service: PurePosixPath, spoken: Language) -> PurePosixPath | None:
    """Return where the limiters go: no file of the service is overwritten."""
    paths = tree.paths()
    folders = [service / folder for folder in _FOLDERS]
    used = [folder for folder in folders if any(folder in path.parents for path in paths)]
    sources = any(service / "src" in path.parents for path in paths)
    folder = (used or (folders[:1] if sources or spoken.suffix == ".ts" else folders[2:]))[0]
    taken = {path.stem for path in paths if path.parent == folder}
    if _STORE in taken:
        return None
    free = (folder / f"{name}{spoken.suffix}" for name in _NAMES if name not in taken)
    return next(free, None)


def written(
    tree: Tree, module: PurePosixPath, spoken: Language, values: Mapping[str, object]
) -> Iterator[Edit]:
    """Yield the limiters and their store as new files."""
    known = {**values, "store_module": _STORE + spoken.extension}
    for path, template in (
        (module, _LIMITERS),
        (module.with_name(f"{_STORE}{spoken.suffix}"), "rate-limit/authFailureStore.ts.j2"),
    ):
        text = render(template, known)
        after = text if spoken.suffix == ".ts" else plain(text, spoken.modules)
        yield Edit(path=path, before=tree.read(path), after=after)


def misread(
    tree: Tree, service: PurePosixPath, values: Mapping[str, object]
) -> Iterator[tuple[PurePosixPath, bytes, bytes]]:
    """Yield our limiters, as they were written, that read other fields than the handlers do.

    Each comes with its bytes and what they ought to be. Limiters that were edited are nobody's
    business but the service's.
    """
    for path in tree.paths():
        if path.stem not in _NAMES or service not in path.parents:
            continue
        content = tree.read(path) or b""
        for ending in ("", ".js"):
            given = {"store_module": _STORE + ending}
            if render(_LIMITERS, {**COMMON, **given}) == content:
                wanted = render(_LIMITERS, {**values, **given})
                if wanted != content:
                    yield path, content, wanted


def _is_module(manifest: bytes) -> bool:
    try:
        return bool(json.loads(manifest).get("type") == "module")
    except (AttributeError, ValueError):
        return False
