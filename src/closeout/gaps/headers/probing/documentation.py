"""Open the documentation page in a browser: status 200 with an empty page is not enough."""

from __future__ import annotations

from closeout.errors import CloseoutError
from closeout.harness import chromium
from closeout.harness.http import Request, judged, unproven
from closeout.model import Observation, ProbeContext

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
