"""Stand in for modules that are not installed, when the service's own code imports them.

Imported by the Python launcher inside the service's environment: standard library only. A library
that tries an optional import, and a service that guards one, are told the truth; a service that
cannot do without the module gets a stub, and `stubbed` says so.
"""

from __future__ import annotations

import ast
import sys
import types
from functools import cache
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

_ENOUGH = frozenset(["ImportError", "ModuleNotFoundError", "Exception", "BaseException"])


class _StubType(type):
    """A class whose every unknown attribute is another stub class."""

    def __getattr__(cls, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return _StubType(name, (Stub,), {})

    def __getitem__(cls, _: object) -> type:
        return cls

    def __or__(cls, other: object) -> Any:  # noqa: ANN401 - a union of nothing that is known
        return Any

    def __ror__(cls, other: object) -> Any:  # noqa: ANN401 - as above
        return Any


class Stub(metaclass=_StubType):
    """What a name imported from a stubbed module stands for: base class, decorator or object."""

    def __init__(self, *_: object, **__: object) -> None:
        """Accept any arguments."""

    def __getattr__(self, name: str) -> type:
        """Answer any name with another stub."""
        if name.startswith("__"):
            raise AttributeError(name)
        return _StubType.__getattr__(type(self), name)

    def __call__(self, *args: object, **__: object) -> object:
        """Hand a decorated function back; else answer with a stub."""
        return args[0] if len(args) == 1 and callable(args[0]) else Stub()


class StubModule(types.ModuleType):
    """A module whose every name is a stub."""

    def __getattr__(self, name: str) -> type:
        """Answer any name with a stub class."""
        if name.startswith("__"):
            raise AttributeError(name)
        return _StubType(name, (Stub,), {})


class StubFinder(MetaPathFinder, Loader):
    """Find stub modules for what the code below `folder` imports and nobody else finds.

    It stands last of all finders. `names` are stubbed whoever asks.
    """

    def __init__(self, folder: str, names: list[str]) -> None:
        """Answer for `names`, and for what is found to be missing."""
        self._folder = str(Path(folder).resolve())
        self._names = set(names)

    @property
    def stubbed(self) -> list[str]:
        """Return the top-level modules that were asked for and not there."""
        return sorted(self._names)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Answer as importlib asks."""
        del path, target
        top = name.partition(".")[0]
        if top not in self._names:
            if top != name or self._is_own(top) or not self._is_needed():
                return None
            self._names.add(top)
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Make the empty stub module."""
        return StubModule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Do nothing: a stub has no code."""

    def _is_own(self, top: str) -> bool:
        folder = Path(self._folder)
        return (folder / top).is_dir() or (folder / f"{top}.py").is_file()

    def _is_needed(self) -> bool:
        """Return whether the service's own code imports it, and cannot do without."""
        frame = sys._getframe(2)  # noqa: SLF001 - the import statement that led here
        while frame is not None and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back  # type: ignore[assignment] # the outermost frame has none
        if frame is None:
            return False
        file = frame.f_code.co_filename
        ours = Path(file).is_absolute() and Path(file).is_relative_to(self._folder)
        return ours and not any(first <= frame.f_lineno <= last for first, last in _guarded(file))


@cache
def _guarded(file: str) -> tuple[tuple[int, int], ...]:
    """Return the lines in whose failure to import the file itself sees to."""
    tree = ast.parse(Path(file).read_bytes())
    return tuple(
        (node.body[0].lineno, node.body[-1].end_lineno or node.body[-1].lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.Try) and any(map(_catches_imports, node.handlers))
    )


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(
        getattr(node, "id", getattr(node, "attr", "")) in _ENOUGH for node in ast.walk(handler.type)
    )
