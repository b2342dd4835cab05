"""The TypeScript anchors locate code by its bytes."""

import pytest

from closeout.parsing import typescript

ROUTER = b"""import rateLimit, { ipKeyGenerator as byAddress } from 'express-rate-limit'
const { sign } = require("jsonwebtoken")
const router = Router()
// router.post('/login', commented)
router.post('/login', limit, (req, res) => { res.json({}) })
router.use('/v1', limit)
export const note = "router.post('/login', quoted)"
"""


def test_imports_maps_local_names_to_exported_ones() -> None:
    """Default, aliased and required names are told apart."""
    first, second = typescript.read(ROUTER).imports
    assert dict(first.names) == {"rateLimit": "default", "byAddress": "ipKeyGenerator"}
    assert (second.source, dict(second.names)) == ("jsonwebtoken", {"sign": "sign"})


def test_routes_ignores_comments_and_strings() -> None:
    """Only the call counts, not the same words quoted or commented."""
    (route,) = typescript.read(ROUTER).routes()
    assert (route.receiver, route.path, route.place.line) == ("router", "/login", 5)
    assert [item.kind for item in route.arguments] == ["string", "identifier", "arrow_function"]


def test_mounts_returns_use_calls() -> None:
    """A mount keeps its arguments."""
    (mount,) = typescript.read(ROUTER).mounts()
    assert [item.text for item in mount.arguments] == ["'/v1'", "limit"]


def test_places_are_byte_offsets_after_a_mark_and_wide_characters() -> None:
    """A byte order mark, CRLF and multi-byte text do not shift a span."""
    content = "\ufeffconst é = 'é';\r\nif (code !== 'ห้าม') {}\r\n".encode()
    literal = typescript.read(content).strings[-1]
    assert content[literal.start : literal.end] == "'ห้าม'".encode()
    assert literal.line == 2


def test_fallbacks_finds_a_literal_behind_the_environment() -> None:
    """A literal default of an environment variable is found in both notations."""
    content = b"const a = process.env.KEY || 'dev'; const b = process.env['PIN'] ?? `1`; x || 'y'"
    found = [(item.variable, item.literal) for item in typescript.read(content).fallbacks]
    assert found == [("KEY", "dev"), ("PIN", "1")]


@pytest.mark.parametrize(
    ("asked", "variable"),
    [
        ("process.env.A_KEY || process.env.B_KEY", "A_KEY"),
        ("process.env['A_KEY'] ?? process.env.B_KEY ?? process.env.C_KEY", "A_KEY"),
        ("process.env.A_KEY?.trim()", "A_KEY"),
        ("process.env.A_KEY!", "A_KEY"),
        ("process.env.A_KEY === 'x'", None),
        ("process.env.A_KEY + process.env.B_KEY", None),
    ],
)
def test_fallbacks_names_the_variable_that_is_asked_first(asked: str, variable: str | None) -> None:
    """A chain is no name; what compares or joins variables is no reading of one."""
    operator = "??" if "??" in asked else "||"
    found = typescript.read(f"const a = {asked} {operator} 'dev-key'\n".encode()).fallbacks
    assert [item.variable for item in found] == [variable] * (variable is not None)
    assert [item.asked.text for item in found] == [asked] * (variable is not None)


def test_definitions_cover_classes_functions_and_fields() -> None:
    """Each named body is found with its span."""
    content = (
        b"class A { login = async () => {}; out() {} }\nfunction f() { return 1 }\nconst k = 1"
    )
    found = {item.name: item.place.kind for item in typescript.read(content).definitions}
    assert found == {
        "A": "class_declaration",
        "login": "public_field_definition",
        "out": "method_definition",
        "f": "function_declaration",
        "k": "variable_declarator",
    }


def test_properties_keeps_spreads_and_offsets() -> None:
    """An object's values are placed in the file they came from."""
    content = b"f({ limit: 5, ...shared, 'max': 2 * 3 })"
    (call,) = typescript.read(content).calls
    found = typescript.properties(call.arguments[0])
    assert list(found) == ["limit", "...shared", "max"]
    assert content[found["max"].start : found["max"].end] == b"2 * 3"


def test_identifiers_leaves_property_names_out() -> None:
    """Only names that must be looked up are returned."""
    assert typescript.identifiers(typescript.expression("keyOf(req.body.email) + 1")) == (
        "keyOf",
        "req",
    )


def test_syntax_error_names_the_line() -> None:
    """A missing parenthesis is reported where it is missing; sound code gives None."""
    assert typescript.syntax_error(b"const a = 1\nfoo(a\n") == 2
    assert typescript.syntax_error(ROUTER) is None
