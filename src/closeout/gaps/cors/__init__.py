"""CORS: services trust every origin, the FastAPI ones with the user's cookies.

Problem. `allow_origins=["*"]` together with `allow_credentials=True` does not answer `*`: it
repeats whatever origin asks, so any page on the web can call the service as the signed-in user
and read the answer. The order lists five services; the same lines stand in siblings.

Before::

    app.add_middleware(
        CORSMiddleware,
        allow_origins=["*"],
        allow_credentials=True,
        allow_methods=["*"],
        allow_headers=["*"],
    )

After::

    install_cors(app, methods=("DELETE", "GET", "HEAD", "OPTIONS", "POST"))

with the new module `cors.py` beside it. `ALLOWED_ORIGINS` lists the origins, separated by commas;
blanks, trailing slashes, case and default ports do not matter; `*`, `null` and URLs with a path
are refused. Unset, the local dashboards are trusted, but in production the service does not
start. The methods are those of the service's own routes, the request headers are listed, and the
policy stands around the error handler, so that a trusted page can read a 500 and a foreign one
gets nothing on any answer. The variable is written into the env example, where there is one, and
handed through in the compose file.

Express services are held to the same: `cors()` without options lets every origin in, and so do
`origin: '*'`, `origin: true`, a pattern that fits everything and a callback that never refuses.
The options are filled in where they stand::

    app.use(cors({
      origin: trustedOrigins(),
      methods: ['GET', 'HEAD', 'POST'],
      allowedHeaders: REQUEST_HEADERS,
    }));

with the new module `corsOrigins.ts` (or `.js`), which reads `ALLOWED_ORIGINS` by the same rules.

Left alone: a policy without a wildcard that reads `ALLOWED_ORIGINS`, however it is written. Not
mended, but reported: a policy that is neither an `app.add_middleware(…)` statement of its own nor
in the application's own list of middleware, options that come from another module or a file, a
header written by hand, options of `cors(…)` that cannot be read, and a file that does not parse.
"""

from __future__ import annotations

from closeout.gaps.cors.detect import UNLISTED
from closeout.gaps.cors.deviations import DEVIATIONS
from closeout.gaps.cors.fix import fix
from closeout.gaps.cors.rules import RULES, SUBJECTS, survey
from closeout.gaps.cors.wiring import asks
from closeout.model import Gap, later

GAP = Gap(
    slug="cors",
    issue=1,
    title="CORS wildcards in the services",
    priority="P0",
    criteria=("1.1", "1.2", "1.3"),
    fix=fix,
    subjects=SUBJECTS,
    rules=RULES,
    survey=survey,
    probes=later(f"{__name__}.probes", "PROBES"),
    probes_of=later(f"{__name__}.probes", "probes_of"),
    unlisted=UNLISTED,
    asks=asks,
    packages=frozenset({"cors", "fastapi", "starlette"}),
    deviations=DEVIATIONS,
    guide=__doc__,
)
