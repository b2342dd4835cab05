"""A running start: whatever the service's own OpenAPI offers, asked with made-up values.

This holds what holds of any service: what breaks its schema is refused, what fits it ends in no
error of the program. What the service is for only tests by name can say: write those beside this.
"""

import random
import string

import pytest
from fastapi.testclient import TestClient

from app.main import app

METHODS = ("get", "post", "put", "patch", "delete")
ROUNDS = 5
SHALLOW = 4
WORDS = {
    "date": "2025-01-30",
    "date-time": "2025-01-30T09:00:00Z",
    "uuid": "00000000-0000-4000-8000-000000000001",
    "email": "farmer@example.com",
    "uri": "https://example.com/barn",
}


@pytest.fixture
def client():
    """Return a client that raises what a handler raises; what starts with the app stays off."""
    return TestClient(app)


def operations():
    """Return every operation as method, path and description."""
    return [
        pytest.param(method, path, item[method], id=f"{method} {path}")
        for path, item in sorted(app.openapi()["paths"].items())
        for method in METHODS
        if method in item
    ]


def resolved(schema):
    """Return a schema without its references."""
    while "$ref" in schema:
        *_, kind, name = schema["$ref"].split("/")
        schema = app.openapi()["components"][kind][name]
    return schema


def value_of(schema, chance, depth=0):
    """Return a value that fits a schema, another one at every call."""
    schema = resolved(schema)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return value_of(chance.choice(schema[choice]), chance, depth)
    if "allOf" in schema:
        return value_of(schema["allOf"][0], chance, depth)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return chance.choice(schema["enum"])
    kind = schema.get("type")
    if kind == "object":
        return object_of(schema, chance, depth)
    if kind == "array":
        least = schema.get("minItems", 0)
        most = max(least, 0 if depth > SHALLOW else min(schema.get("maxItems", 3), 3))
        count = chance.randint(least, most)
        return [value_of(schema.get("items", {}), chance, depth + 1) for _ in range(count)]
    if kind in {"integer", "number"}:
        return number_of(schema, chance)
    if kind == "boolean":
        return chance.random() < 0.5
    if kind == "null":
        return None
    return text_of(schema, chance)


def object_of(schema, chance, depth):
    """Return an object with all that is required, and some of what is not."""
    needed = schema.get("required", ())
    return {
        name: value_of(item, chance, depth + 1)
        for name, item in schema.get("properties", {}).items()
        if name in needed or (depth <= SHALLOW and chance.random() < 0.5)
    }


def number_of(schema, chance):
    """Return a whole number within its bounds."""
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    most = schema.get("maximum", schema.get("exclusiveMaximum", least + 100))
    step = schema.get("multipleOf", 1)
    inner = least + step if "exclusiveMinimum" in schema else least
    outer = most - step if "exclusiveMaximum" in schema else most
    if inner >= outer or isinstance(step, float) or inner != int(inner):
        return (least + most) / 2 if schema["type"] == "number" else int(inner)
    return chance.randrange(int(inner), int(outer) + 1, int(step))


def text_of(schema, chance):
    """Return a text of its format and length."""
    if schema.get("format") in WORDS:
        return WORDS[schema["format"]]
    least = schema.get("minLength", 1)
    most = min(schema.get("maxLength", least + 12), least + 12)
    return "".join(chance.choices(string.ascii_letters, k=chance.randint(least, max(least, most))))


def request_of(method, path, operation, chance):
    """Return a request that fits what an operation says of itself."""
    given = {"query": {}, "header": {}, "path": {}, "cookie": {}}
    for item in operation.get("parameters", ()):
        if item.get("required") or item["in"] == "path" or chance.random() < 0.5:
            given[item["in"]][item["name"]] = value_of(item.get("schema", {}), chance)
    content = operation.get("requestBody", {}).get("content", {})
    request = {
        "method": method,
        "url": path.format(**given["path"]),
        "params": {name: held for name, held in given["query"].items() if held is not None},
        "headers": {name: str(held) for name, held in given["header"].items()},
    }
    if "application/json" in content:
        request["json"] = value_of(content["application/json"].get("schema", {}), chance)
    return request


@pytest.mark.parametrize(("method", "path", "operation"), operations())
def test_request_that_fits_ends_in_no_error_of_the_program(client, method, path, operation):
    """What a handler raises fails here; a neighbour that is not there is told, and passes nothing."""
    chance = random.Random(f"{method} {path}")
    for _ in range(ROUNDS):
        request = request_of(method, path, operation, chance)
        try:
            answer = client.request(**request)
        except OSError as error:
            pytest.skip(f"needs what does not run here: {error}")
        if answer.status_code == 503:
            pytest.skip("needs what does not run here: it answers 503")
        assert answer.status_code < 500, f"{request} gives {answer.status_code}"
        assert answer.status_code != 405


@pytest.mark.parametrize(("method", "path", "operation"), operations())
def test_body_that_is_no_json_is_refused(client, method, path, operation):
    """What cannot be read never gets as far as a handler."""
    request = request_of(method, path, operation, random.Random(path))
    if "json" in request:
        del request["json"]
        headers = {**request.pop("headers"), "content-type": "application/json"}
        answer = client.request(**request, headers=headers, content=b"{")
        assert 400 <= answer.status_code < 500
    else:
        answer = client.request(**{**request, "method": "TRACE"})
        assert answer.status_code in {404, 405}
