"""Templates in TypeScript become JavaScript that Node takes."""

import subprocess
from pathlib import Path

import pytest

from closeout.gaps.rate_limit.express.modules import COMMON
from closeout.parsing.typescript_plain import Modules, plain
from closeout.resources import render

VALUES = {
    **COMMON,
    "store_module": "authFailureStore",
    "burnt_digest": "0",
    "logger": None,
    "claim_field": "claimCode",
    "loading": (),
}
TEMPLATES = (
    "rate-limit/authRateLimiter.ts.j2",
    "rate-limit/authFailureStore.ts.j2",
    "factory-secret/factorySecret.ts.j2",
    "factory-secret/requiredSecret.ts.j2",
)


@pytest.mark.needs("node")
@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("modules", list(Modules))
def test_plain_gives_what_node_parses(template: str, modules: Modules, tmp_path: Path) -> None:
    """Nothing of a type is left, in either manner of modules."""
    suffix = ".mjs" if modules is Modules.ES else ".cjs"
    place = tmp_path / f"made{suffix}"
    place.write_bytes(plain(render(template, VALUES), modules))
    told = subprocess.run(["node", "--check", place], capture_output=True, text=True, check=False)
    assert told.stderr == ""


def test_plain_requires_and_exports_in_commonjs() -> None:
    """Imports of types go, those of values are required, and what was exported is."""
    source = b"""import type { A } from 'a';
import { b as c, type D } from 'b';

export interface E {
  f: string;
}

/** Say it. */
export function say(text?: string): D | undefined {
  return c(text as string);
}
"""
    assert (
        plain(source, Modules.COMMONJS)
        == b"""'use strict'

const { b: c } = require('b');

/** Say it. */
function say(text) {
  return c(text);
}

module.exports = { say }
"""
    )
