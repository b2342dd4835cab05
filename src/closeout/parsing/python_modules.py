"""Hold the Python modules of one service, each parsed when it is asked for first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import PurePosixPath

from closeout.parsing.python import Module, parse


class PythonModules(Mapping[PurePosixPath, Module]):
    """The modules that parse; the same one is given for a path every time."""

    def __init__(self, sources: Mapping[PurePosixPath, bytes]) -> None:
        """Hold the modules of `sources`."""
        self._sources = sources
        self._parsed: dict[PurePosixPath, Module | None] = {}
        self._holding: dict[str, tuple[PurePosixPath, ...]] = {}

    @property
    def paths(self) -> Iterable[PurePosixPath]:
        """Return the paths of all sources, of those that do not parse too."""
        return self._sources

    def __getitem__(self, path: PurePosixPath) -> Module:
        """Return a module; raises KeyError for one that does not parse too."""
        module = self._module(path)
        if module is None:
            raise KeyError(path)
        return module

    def _module(self, path: PurePosixPath) -> Module | None:
        if path not in self._parsed:
            self._parsed[path] = None
            with suppress(SyntaxError):
                self._parsed[path] = parse(self._sources[path])
        return self._parsed[path]

    def __iter__(self) -> Iterator[PurePosixPath]:
        """Yield the path of every module that parses."""
        return (path for path, _ in self.among(self._sources))

    def __len__(self) -> int:
        """Return how many modules parse."""
        return sum(1 for _ in self)

    def among(self, paths: Iterable[PurePosixPath]) -> Iterator[tuple[PurePosixPath, Module]]:
        """Yield those of `paths` that parse, with their modules."""
        for path in paths:
            if (module := self._module(path)) is not None:
                yield path, module

    def has(self, name: str) -> bool:
        """Return whether a module or a package is called `name`, whether it parses or not."""
        return any(name in {path.stem, path.parent.name} for path in self._sources)

    def holding(self, word: str) -> Iterator[tuple[PurePosixPath, Module]]:
        """Yield the modules in whose text `word` stands."""
        if word not in self._holding:
            sign = word.encode()
            paths = tuple(path for path, text in self._sources.items() if sign in text)
            self._holding[word] = paths
        return self.among(self._holding[word])
