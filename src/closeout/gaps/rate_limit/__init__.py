"""Sign-in and token renewal without a limit on failed attempts.

**Problem.** Nothing stops a client from trying passwords for as long as it likes. A limiter that
is imported but not passed to the route, or one that is left at a thousand attempts, is the same.

**Before**

    router.post('/login', authController.login);
    router.post('/refresh', authController.refresh);

**After**

    router.post('/login', loginRateLimiter, authController.login);
    router.post('/refresh', refreshRateLimiter, authController.refresh);

The limiters stand in `src/middleware/authRateLimiter.ts`. They count failures only: five in
fifteen minutes for an account from one address, and wider limits for an address over all accounts
and for an account over all addresses. `TRUST_PROXY_HOPS` says how many proxies to believe, else the
service's own `trust proxy`, and `REDIS_URL` lets replicas share their counts; compose and the chart
hand both on. A gateway that hands sign-ins on is made to say for whom, and is believed; its own
limiter, where it stands unused, is put to use; where it answers what is limited as a failure of its
own, that is told. Routes are found by their paths, however written, and by their handlers; the
limiters read the fields that the handlers read, and are JavaScript where the service is. A limiter
of the service's own that does as much is left alone; a weaker one stays, behind ours.
"""

from __future__ import annotations

from closeout.gaps.rate_limit.deviations import DEVIATIONS
from closeout.gaps.rate_limit.fix import fix
from closeout.gaps.rate_limit.rules import RULES, SUBJECTS, survey
from closeout.model import Gap, later

GAP = Gap(
    slug="rate-limit",
    issue=2,
    title="Rate limiting on the auth endpoints",
    priority="P0",
    criteria=("2.1", "2.2", "2.3"),
    fix=fix,
    subjects=SUBJECTS,
    rules=RULES,
    survey=survey,
    probes=later(f"{__name__}.probes", "PROBES"),
    probes_of=later(f"{__name__}.probing.strangers", "probes_of"),
    packages=frozenset({"express-rate-limit", "rate-limiter-flexible"}),
    deviations=DEVIATIONS,
    guide=__doc__ or "",
)
