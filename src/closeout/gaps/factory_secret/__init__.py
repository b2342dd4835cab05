"""Secrets in source code, first of all the one that devices are claimed with.

**Problem.** Whoever has read the source can claim devices for any tenant, and the code cannot be
changed without a release. Elsewhere a secret falls back to a literal when its variable is unset,
which works everywhere and protects nowhere.

**Before**

    if (claimCode !== 'FACTORY-SECRET') {
        return res.status(403).json({ error: 'Invalid claim code' })
    }

**After**

    const refusal = refuseClaim(claimCode)
    if (refusal) {
        return res.status(refusal.status).json(refusal.body)
    }

`src/config/factorySecret.ts` reads `DEVICE_FACTORY_SECRET` when the service starts. An unset,
short or well-known value refuses every claim with 503 and is named in the log, never in an answer.
Claims are compared by digest in constant time, and wrong ones are limited. The example file gets a
placeholder and compose hands the variable on. A fallback such as `process.env.X || 'literal'`
becomes `requiredSecret('X')`, and so does a password in a constant `X` of a service that compose
starts. Where the refusal has no plain answer of its own (a `switch`, an
accepting branch, a function that compares, an exception), the handler asks `acceptsClaim` and its
route refuses beforehand. Other secrets in constants, codes in lists, conditions with a second
half, and refusals that write the claim down are reported and left to a person. What only a mock
mode compares, which a page has to be built with, is none.
"""

from __future__ import annotations

from closeout.gaps.factory_secret.deviations import DEVIATIONS
from closeout.gaps.factory_secret.fix import fix
from closeout.gaps.factory_secret.rules import RULES, SUBJECTS, survey
from closeout.model import Gap, later

GAP = Gap(
    slug="factory-secret",
    issue=4,
    title="Factory secret in the source",
    priority="P0",
    criteria=("4.1", "4.2", "4.3"),
    fix=fix,
    subjects=SUBJECTS,
    rules=RULES,
    survey=survey,
    probes=later(f"{__name__}.probes", "PROBES"),
    packages=frozenset({"express-rate-limit"}),
    deviations=DEVIATIONS,
    guide=__doc__ or "",
)
