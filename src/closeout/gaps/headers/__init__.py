"""Headers: FastAPI services answer without security headers.

Problem. Browsers may guess an answer's type, frame the service's pages and reach it without TLS,
since no answer says otherwise. A layer added by `app.add_middleware` does not mend that: it
stands inside the handler of unhandled errors, so a 500 goes out bare, and, added before CORS,
so do preflights.

Before::

    app = FastAPI(title="FarmIQ Analytics", docs_url="/api-docs")
    ...

After::

    app = FastAPI(title="FarmIQ Analytics", docs_url="/api-docs")
    ...
    install_security_headers(app)

as the last statement about the application, with the new module `security_headers.py` beside it:
plain ASGI around everything, so that each kind of answer carries nosniff, `X-Frame-Options: DENY`,
HSTS of a year with subdomains, a referrer policy, a content policy (one under which documentation
and the service's own pages still run), opener, resource and permissions policies and, where the
service says nothing else, `no-store`. No header comes twice. A 500 keeps its shape, its codes and
identifiers, and loses what a handler repeats of the failure. `X-XSS-Protection` is `0`. The banner
`server: uvicorn` is added outside the application, so the Dockerfile's launch gets
`--no-server-header`, and `uvicorn.run(…)` `server_header=False`.

Left alone: an application around which another layer already does all this from outside the
error handler. Reported: a factory that does not return its application by name, and a file that
does not parse.
"""

from __future__ import annotations

from closeout.gaps.headers.deviations import DEVIATIONS
from closeout.gaps.headers.fix import fix
from closeout.gaps.headers.rules import RULES, SUBJECTS, survey
from closeout.gaps.headers.services import UNLISTED
from closeout.model import Gap, later

GAP = Gap(
    slug="headers",
    issue=7,
    title="Security headers of the FastAPI services",
    priority="P1",
    criteria=("7.1", "7.2", "7.3", "7.4"),
    fix=fix,
    subjects=SUBJECTS,
    rules=RULES,
    survey=survey,
    probes=later(f"{__name__}.probes", "PROBES"),
    probes_of=later(f"{__name__}.probes", "probes_of"),
    unlisted=UNLISTED,
    graded="Security headers",
    packages=frozenset({"fastapi", "secure", "starlette"}),
    deviations=DEVIATIONS,
    guide=__doc__,
)
