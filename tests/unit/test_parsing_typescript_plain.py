"""Templates in TypeScript become JavaScript that Node takes."""

import os
import re
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


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "KEY is not set"),
        ({"NODE_ENV": "test"}, "KEY is not set"),
        ({"KEY": "own", "JEST_WORKER_ID": "1"}, "own own"),
        ({"KEY": "<generate-secure-random-string>"}, "KEY is a placeholder"),
        ({"KEY": "<a key>", "JEST_WORKER_ID": "1"}, "KEY is a placeholder"),
        ({"KEY": "a<b> <c"}, "a<b> <c a<b> <c"),
        ({"JEST_WORKER_ID": "1"}, r"([0-9a-f]{64}) \1"),
        ({"VITEST": "true"}, r"([0-9a-f]{64}) \1"),
    ],
)
def test_a_secret_is_made_up_for_test_runners_alone(
    given: dict[str, str], told: str, tmp_path: Path
) -> None:
    """A service's own tests set none of it; an environment that is called test is a deployed one.

    Whoever asks twice is given the same.
    """
    source = render("factory-secret/requiredSecret.ts.j2", VALUES)
    (tmp_path / "made.cjs").write_bytes(plain(source, Modules.COMMONJS))
    call = "const { requiredSecret: of } = require('./made.cjs');console.log(of('KEY'), of('KEY'))"
    done = subprocess.run(
        ["node", "-e", call],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
        check=False,
    )
    assert re.search(told, done.stdout or done.stderr), done.stderr


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
