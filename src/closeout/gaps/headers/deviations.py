"""Where the security headers depart from the order, and why."""

from __future__ import annotations

from closeout.model import Deviation

DEVIATIONS = (
    Deviation(
        id="D-headers-1",
        claim="A class derived from BaseHTTPMiddleware sets the headers.",
        finding="It costs 2.8 times the CPU of a bare request (plain ASGI 1.09 times); context "
        "variables set in an endpoint are not seen outside, and `is_disconnected()` never "
        "becomes true.",
        decision="Plain ASGI, without a task or a buffer of its own.",
    ),
    Deviation(
        id="D-headers-2",
        claim="`app.add_middleware` puts the headers on every answer.",
        finding="Added before CORS, preflights lack them; in either order the 500 of an unhandled "
        "error lacks them.",
        decision="Wrap the whole stack, outside CORS and the error handler.",
    ),
    Deviation(
        id="D-headers-3",
        claim="`X-XSS-Protection: 1; mode=block` is one of the headers.",
        finding="The filter it switches on is gone from browsers and could itself be used "
        "against a page; OWASP and helmet send 0.",
        decision="Send `0`.",
    ),
    Deviation(
        id="D-headers-4",
        claim="Five headers are enough.",
        finding="Nothing then restrains what a page may load or who may store an answer, and the "
        "obvious content policy of `'self'` leaves the documentation page empty with status 200.",
        decision="Add a content policy, no-store, opener, resource and permissions policies; the "
        "documentation and the service's own pages get policies under which they run, and what "
        "other pages embed is shared within the site.",
    ),
    Deviation(
        id="D-headers-5",
        claim="Headers are the whole of the issue.",
        finding="Handlers of unhandled errors repeat the exception's text, and uvicorn names "
        "itself in every answer.",
        decision="Of a 500's text keep codes, identifiers and what the service itself refused "
        "with; start uvicorn without its banner in the image, which a compose file's own command "
        "goes past.",
    ),
    Deviation(
        id="D-headers-6",
        claim="Five Python services are to send the headers.",
        finding="A monorepo grows others, and no criterion speaks of them: for CORS 1.3 does.",
        decision="Every FastAPI service that is found counts for 7.1 to 7.4; where only services "
        "that the order does not list are open, the ruling says so, and `waivers.toml` can accept "
        "each of them.",
    ),
)
