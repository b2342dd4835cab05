"""Write monorepos of a given size: the reference one, and filler in a real one's proportions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from closeout.fs import writer
from closeout.fs.tree import DiskTree
from closeout.runs.workspace import REFERENCE

FILES = 3_000
"""Files of a tree of size 1, of which 1,000 are TypeScript, 190 Python and 920 Markdown."""
MEGABYTES = 33


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One sort of filler: how many files a tree of size 1 holds, and how large they are."""

    suffix: str
    files: int
    kilobytes: int
    block: Callable[[int], str]
    opening: str = ""


def _typescript(number: int) -> str:
    return f"""
export interface Reading{number} {{ readonly id: string; readonly value: number; at: Date }}

/**
 * Holds the readings of one hour in the barn, by the sensor that took them. A reading out of range
 * is refused, since the scale sends such a value when an animal leans on the gate; the dashboard
 * shows the last one that was kept, with the time at which the sensor took it.
 */
export class Store{number} {{
  private readonly held = new Map<string, Reading{number}>();

  // Callers look a reading up by id; an unknown id is no error.
  find(id: string): Reading{number} | undefined {{
    return this.held.get(id);
  }}

  async add(reading: Reading{number}): Promise<void> {{
    if (reading.value < {number} || Number.isNaN(reading.value)) {{
      throw new RangeError(`value ${{reading.value}} of ${{reading.id}} is out of range`);
    }}
    this.held.set(reading.id, {{ ...reading, at: reading.at ?? new Date() }});
    await Promise.resolve(this.held.size);
  }}
}}
"""


def _python(number: int) -> str:
    return f'''

class Batch{number}:
    """Readings of one hour, oldest first."""

    def __init__(self, readings: list[float]) -> None:
        self._readings = sorted(readings)

    def mean(self) -> float:
        """Return the mean, 0 for an hour without readings."""
        return sum(self._readings) / len(self._readings) if self._readings else 0.0

    async def publish(self, client: "Client", topic: str = "barn/{number}") -> None:
        payload = {{"topic": topic, "mean": self.mean(), "count": len(self._readings)}}
        await client.send(payload, retries=3, timeout={number % 9 + 1})
'''


def _markdown(number: int) -> str:
    return f"""
## Step {number}

Check the barn's sensors before the night shift; the dashboard shows each one's last reading.

| sensor | low | high | unit |
| --- | --- | --- | --- |
| temperature {number} | 18 | 24 | C |
| humidity {number} | 40 | 70 | % |
"""


def _yaml(number: int) -> str:
    return f"""
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings-{number}
  labels:
    app: filler-{number}
data:
  LOG_LEVEL: info
  BATCH_SIZE: "{number}"
  notes: |
    The scale of pen {number} is read twice an hour. Between two readings the gate stays as it is,
    and whoever opens it by hand is named in the day's list beside the weight that was last kept.
"""


def _sql(number: int) -> str:
    return f"""
CREATE TABLE IF NOT EXISTS reading_{number} (
    id uuid PRIMARY KEY,
    taken_at timestamptz NOT NULL DEFAULT now(),
    value numeric(10, 3) NOT NULL CHECK (value >= 0)
);
CREATE INDEX IF NOT EXISTS reading_{number}_taken_at ON reading_{number} (taken_at);
"""


def _json(number: int) -> str:
    return f'  "key.{number}": "The sensor {number} of the barn answers on the local network.",\n'


def _text(number: int) -> str:
    return f".tile-{number} {{ margin: {number % 16}px; color: #{number % 4096:03x}; }}\n"


KINDS = (
    Kind(suffix=".ts", files=600, kilobytes=3, block=_typescript, opening="import './env';\n"),
    Kind(suffix=".tsx", files=230, kilobytes=6, block=_typescript, opening="import './env';\n"),
    Kind(suffix=".py", files=20, kilobytes=6, block=_python, opening="import asyncio\n"),
    Kind(suffix=".md", files=910, kilobytes=17, block=_markdown, opening="# Notes\n"),
    Kind(suffix=".yaml", files=60, kilobytes=9, block=_yaml, opening="# settings\n"),
    Kind(suffix=".yml", files=60, kilobytes=8, block=_yaml, opening="# settings\n"),
    Kind(suffix=".sql", files=15, kilobytes=2, block=_sql),
    Kind(suffix=".json", files=140, kilobytes=41, block=_json, opening="{\n"),
    Kind(suffix=".css", files=400, kilobytes=1, block=_text),
)
"""The proportions of a real monorepo; the reference and the shapes add their own files."""

_BAITS = {
    ".ts": (
        "export const level = process.env.LOG_LEVEL || 'info';\n",
        "// The router's cors() is set up by the gateway.\nexport const path = '/auth/login';\n",
        "import { Router } from 'express';\nexport const router = Router();\n",
        "export const tokenOf = (held: Map<string, string>) => held.get('secret');\n",
        "export const header = (token: string) => ({ authorization: `Bearer ${token}` });\n",
    ),
    ".py": (
        "import os\n\nLEVEL = os.getenv('LOG_LEVEL', 'info')\n",
        "# CORSMiddleware is added by the gateway.\n",
    ),
}
"""What makes a detector look twice, in every second file that holds code."""


def generate(folder: Path, times: int) -> Path:
    """Write the reference monorepo and filler for a tree `times` the usual size; return it."""
    folder.mkdir(parents=True)
    writer.copy_tree(DiskTree(REFERENCE), folder)
    for kind in KINDS:
        for number in range(kind.files * times):
            place = folder / _path(kind, number)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(_content(kind, number))
    return folder


def _path(kind: Kind, number: int) -> PurePosixPath:
    service = PurePosixPath("cloud-layer") / f"cloud-filler-{number // 60:03d}"
    folder = {".md": "docs", ".sql": "sql", ".yaml": "deploy", ".yml": "deploy", ".json": "locales"}
    return service / folder.get(kind.suffix, "src") / f"part_{number:05d}{kind.suffix}"


def _content(kind: Kind, number: int) -> str:
    parts, length, index = [kind.opening], 0, number
    baits = _BAITS.get(kind.suffix, ())
    if baits and number % 2 == 0:
        parts.append(baits[number // 2 % len(baits)])
    while length < kind.kilobytes * 1024:
        block = kind.block(index)
        parts.append(block)
        length += len(block)
        index += 1
    if kind.suffix == ".json":
        parts.append('  "end": ""\n}\n')
    return "".join(parts)
