"""See that the headers break nothing: the documentation, streams, background work, hang-ups."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

from closeout.errors import CloseoutError
from closeout.harness import chromium
from closeout.harness.boot import Booted, booted, launch_of
from closeout.harness.http import NoAnswerError, Request, ask, judged, send, unproven
from closeout.model import Observation, ProbeContext
from closeout.process import pace

_TRANSPARENT = ("cloud-analytics-service", "cloud-llm-insights-service")
"""One with the application at module level, one that builds it in a factory."""

_SPREAD = 0.3
"""Seconds between a stream's first and last byte; the launcher's takes half a second and more."""
_STREAMS = 3
"""How often a stream is asked for: on a busy machine its first byte may be read late, but one that
is held back comes all at once every time."""
_NOTICED = 3.0


def behaviour(service: str) -> Iterator[tuple[str, Callable[[ProbeContext], Observation]]]:
    """Yield the name and the function of each probe of `service`."""
    yield "docs-policy", partial(_docs_policy, service)
    yield "streaming", partial(_streaming, service)
    yield "background-task", partial(_background, service)
    if service in _TRANSPARENT:
        yield "transparent", partial(_transparent, service)


def _docs_policy(service: str, context: ProbeContext) -> Observation:
    """Hold the page's scripts against its own policy, as a browser would."""
    request = Request(path=context.settings[f"docs.{service}"] or "/docs")
    answer = ask(context, service, request)
    faults = [] if answer.status == 200 else [f"status {answer.status}"]  # noqa: PLR2004 - HTTP's own number
    policy = _directives(answer.value("content-security-policy") or "")
    faults += _blocked(answer.body.decode("utf-8", "replace"), policy)
    return judged(
        expected="the policy lets the page's own scripts and styles run",
        command=request.command(service),
        faults=faults,
        seen=f"status {answer.status}, policy {policy}",
    )


def _directives(policy: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for directive in policy.split(";"):
        words = directive.split()
        if words:
            found.setdefault(words[0].lower(), words[1:])
    return found


def _blocked(page: str, policy: dict[str, list[str]]) -> list[str]:
    scripts = _sources(policy, "script-src")
    styles = _sources(policy, "style-src")
    faults = [
        f"script {place} is blocked"
        for place in re.findall(r"<script[^>]*\bsrc=[\"']([^\"']+)", page)
        if not _permits(scripts, place)
    ]
    faults += [
        f"style {place} is blocked"
        for place in re.findall(r"<link[^>]*stylesheet[^>]*href=[\"']([^\"']+)", page)
        if not _permits(styles, place)
    ]
    for text in re.findall(r"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", page, re.DOTALL):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        allowed = scripts is None or "'unsafe-inline'" in scripts or f"'sha256-{digest}'" in scripts
        if not allowed:
            faults.append("the inline script is blocked")
    return faults


def _sources(policy: dict[str, list[str]], directive: str) -> list[str] | None:
    return policy.get(directive, policy.get("default-src"))


def _permits(sources: list[str] | None, place: str) -> bool:
    if sources is None:
        return True
    host = urlsplit(place).netloc
    if not host:
        return "'self'" in sources
    return any(host in source or source in {"*", "https:"} for source in sources)


def _streaming(service: str, context: ProbeContext) -> Observation:
    request = Request(path="/__closeout__/stream")
    for _ in range(_STREAMS):
        answer = ask(context, service, request)
        whole = answer.body == b"chunk 0\nchunk 1\nchunk 2\n"
        spread = answer.first_byte < answer.last_byte - _SPREAD
        if spread or not whole:
            break
    return judged(
        expected="three chunks, the first long before the last",
        command=request.command(service),
        faults=[] if whole and spread else [f"{answer.body!r}, all at once: {not spread}"],
        seen=f"status {answer.status}, {len(answer.body)} bytes, spread over time: {spread}",
    )


def _background(service: str, context: ProbeContext) -> Observation:
    request = Request(path="/__closeout__/background")
    noticed = _noticed(context.services[service], "background", request)
    return judged(
        expected="the background task runs once",
        command=request.command(service),
        faults=[] if noticed == 1 else [f"{noticed} times"],
        seen=f"background tasks run: {noticed}",
    )


def _transparent(service: str, context: ProbeContext) -> Observation:
    """Ask a process of its own, without the decorated middleware that the service already had."""
    launch = launch_of(context, service).with_arguments("--decorators", "off")
    command = f"start {service} without its decorated middleware; hang up; set a variable"
    expected = "a hang-up is noticed inside, a context variable set inside is seen outside"
    with booted(launch, context.scratch / "service.log") as running:
        if not isinstance(running, Booted):
            return unproven(expected=expected, command=command, because=running.reason)
        gone = _noticed(running.url, "disconnected", Request(path="/__closeout__/wait"), 0.3)
        shown = _noticed(running.url, "context", Request(path="/__closeout__/context"))
    faults = [] if gone == 1 else ["the hang-up was not noticed"]
    faults += [] if shown == 1 else ["the context variable did not arrive"]
    seen = f"hang-ups noticed: {gone}, variables seen: {shown}"
    return judged(expected=expected, command=command, faults=faults, seen=seen)


def _noticed(base: str, what: str, request: Request, patience: float | None = None) -> int:
    """Return how often `what` was noted because of a request.

    It hangs up where `patience` seconds bring no answer.
    """
    earlier = _count(base, what)
    with contextlib.suppress(NoAnswerError):
        send(base, request, deadline=patience)
    waiting = pace.Waiting(_NOTICED)
    while _count(base, what) == earlier and waiting.lasts():
        time.sleep(0.05)
    return _count(base, what) - earlier


def _count(base: str, what: str) -> int:
    body = send(base, Request(path="/__closeout__/memory")).body.decode()
    found = re.search(rf'"{what}":(\d+)', body.replace(" ", ""))
    return int(found[1]) if found else 0


MARK = "documentation-rendered"

_VIEWER = """
window.SwaggerUIBundle = function (options) {
  const place = document.querySelector('#swagger-ui');
  fetch(options.url).then((answer) => answer.json()).then((schema) => {
    place.innerHTML = '<p class="MARK">' + Object.keys(schema.paths).length + ' paths</p>';
  });
  return { initOAuth() {} };
};
window.SwaggerUIBundle.presets = { apis: {} };
window.SwaggerUIBundle.SwaggerUIStandalonePreset = {};
""".replace("MARK", MARK)
"""Stands in for the viewer: it needs its own script, the page's inline one and the schema."""


def docs_render(service: str, context: ProbeContext) -> Observation:
    """Return a probe that opens the documentation page of `service` in headless Chromium."""
    path = context.settings[f"docs.{service}"] or "/docs"
    expected = "the viewer's script and the inline one run, and the schema can be fetched"
    command = f"{chromium.PROGRAM} --headless --dump-dom http://{service}{path}"
    url = context.services[service] + path
    try:
        page = chromium.opened(url, _VIEWER, context.scratch)
    except CloseoutError as error:
        return unproven(expected=expected, command=command, because=error.message)
    faults = [] if f'class="{MARK}"' in page.dom else ["the page stays empty"]
    seen = f"{Request(path=path).label} opened; stand-in of the CDN served {len(page.fetched)}"
    return judged(expected=expected, command=command, faults=faults, seen=seen)
