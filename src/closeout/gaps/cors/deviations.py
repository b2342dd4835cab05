"""Where the fix of the cross-origin policies departs from the order, and why."""

from __future__ import annotations

from closeout.model import Deviation

DEVIATIONS = (
    Deviation(
        id="D-cors-1",
        claim="A preflight from a foreign origin that is not answered with `*` shows the fix.",
        finding="The unfixed service passes: with credentials it repeats the foreign origin "
        "instead of answering `*`.",
        decision="Compare with the foreign origin itself, on preflights and on plain requests, "
        "with a cookie and without.",
    ),
    Deviation(
        id="D-cors-2",
        claim="Splitting ALLOWED_ORIGINS at its commas gives the list.",
        finding='`"a, b"` loses the second origin; an empty value allows an empty Origin with '
        "credentials; `*` or `null` in the variable opens the service again.",
        decision="Strip the entries, drop empty ones, write them as browsers do, and refuse "
        "`*`, `null`, URLs with a path or a user: in production the service does not start on "
        "such an entry, elsewhere the entry is left out and an error is logged.",
    ),
    Deviation(
        id="D-cors-3",
        claim="Two localhost origins are the default.",
        finding="In production an unset variable then trusts localhost and shuts out the real "
        "dashboards.",
        decision="The default holds outside production only. Where APP_ENV, ENVIRONMENT or "
        "NODE_ENV names production, an unset variable stops the start.",
    ),
    Deviation(
        id="D-cors-4",
        claim="All request headers are allowed.",
        finding="Any header a page asks for is repeated as allowed.",
        decision="List them: authorization, content-type, the tracing and tenant headers, and "
        "those that the service's own code reads.",
    ),
    Deviation(
        id="D-cors-5",
        claim="One list of five methods serves every service.",
        finding="A service with PATCH routes cannot be used from its dashboard any more.",
        decision="Take the methods from the service's own routes, with GET, HEAD and OPTIONS.",
    ),
    Deviation(
        id="D-cors-6",
        claim="Five files carry the wildcard.",
        finding="Services of the same kind that the order does not list carry it too, while its "
        "criterion says that no service may.",
        decision="Find every FastAPI service; mend listed and unlisted ones and say which is "
        "which.",
    ),
    Deviation(
        id="D-cors-7",
        claim="`app.add_middleware` puts the policy in place.",
        finding="It puts it inside the handler of unhandled errors: a trusted dashboard cannot "
        "read a 500, and answers without an Origin lack `Vary: Origin`.",
        decision="Wrap the whole stack, and mark every answer with `Vary: Origin`.",
    ),
    Deviation(
        id="D-cors-8",
        claim="The wildcard is a matter of the Python services.",
        finding="The Express service that signs users in calls `cors()` with its default, every "
        "origin, and any requested header is repeated as allowed.",
        decision="Judge every Express service too, and give an open one the same list from "
        "ALLOWED_ORIGINS, the methods of its routes and listed headers.",
    ),
)
