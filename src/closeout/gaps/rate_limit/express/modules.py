"""Write the limiters' modules in the service's own language and place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from closeout.fs.tree import below
from closeout.model import Edit, Tree
from closeout.parsing.typescript_language import Language
from closeout.resources import render

_NAMES = ("authRateLimiter", "authAttemptLimiter")
_STORE = "authFailureStore"
MODULES = (*_NAMES, _STORE)
_LIMITERS = "rate-limit/authRateLimiter.ts.j2"
COMMON: Mapping[str, object] = {
    "accounts": ("email",),
    "secrets": ("password",),
    "tokens": ("refreshToken", "refresh_token"),
    "is_token_known": True,
    "shares_address": False,
}
"""What most handlers read, and what the prepared patch was made for."""
_FOLDERS = ("src/middleware", "src/middlewares", "middleware", "middlewares")


def free_module(tree: Tree, service: PurePosixPath, spoken: Language) -> PurePosixPath | None:
    """Return where the limiters go: no file of the service is overwritten."""
    folders = [service / folder for folder in _FOLDERS]
    used = [folder for folder in folders if below(tree, folder)]
    sources = below(tree, service / "src")
    folder = (used or (folders[:1] if sources or spoken.suffix == ".ts" else folders[2:]))[0]
    taken = {path.stem for path in below(tree, folder) if path.parent == folder}
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
        yield Edit(path=path, before=tree.read(path), after=spoken.written(text))


def misread(
    tree: Tree, service: PurePosixPath, values: Mapping[str, object]
) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield our limiters, as they were written, that read other fields than the handlers do.

    Each comes with what it ought to be. Limiters that were edited are nobody's business but the
    service's.
    """
    for path in below(tree, service):
        if path.stem not in _NAMES:
            continue
        content = tree.read(path) or b""
        for ending in ("", ".js"):
            given = {"store_module": _STORE + ending}
            if render(_LIMITERS, {**COMMON, **given}) == content:
                wanted = render(_LIMITERS, {**values, **given})
                if wanted != content:
                    yield path, wanted
