"""Find secrets that stand in TypeScript: compared with, kept in a constant, or fallen back to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import PurePosixPath

from closeout.formats.holdings import is_deployed_from
from closeout.fs.once import once
from closeout.fs.prefilter import (
    holds,
    holds_in_any_case,
    in_lower_case,
    matches,
    matches_any,
    question,
)
from closeout.gaps.factory_secret.typescript.comparison import Compared, comparisons
from closeout.gaps.factory_secret.typescript.mock_mode import is_mock
from closeout.model import Reason, Tree, Unresolved
from closeout.parsing import typescript
from closeout.parsing.node_sources import SUFFIXES, is_source
from closeout.parsing.typescript_expressions import environment_defaults
from closeout.parsing.typescript_values import TypeScriptValues

NAMED = PurePosixPath("cloud-layer/cloud-tenant-registry/src/controllers/provisioning.ts")
VARIABLE = "DEVICE_FACTORY_SECRET"
_SECRET_TAIL = re.compile(
    r"(?:secret|password|passcode|claim_?code|api_?key|private_?key|service_?key|token"
    r"|access_?code|factory_?key|factory_?code|provision\w*?_?code)$",
    re.IGNORECASE,
)
_ENDINGS = (
    *(rb"secret", rb"password", rb"passcode", rb"token", rb"provision[\w-]*code"),
    *(rb"claim[-_]?code", rb"access[-_]?code", rb"factory[-_]?(?:key|code)"),
    *(rb"api[-_]?key", rb"private[-_]?key", rb"service[-_]?key"),
)
_HASHED = (rb"bcrypt\w*\s*\.\s*hash", rb"argon2\w*\s*\.\s*hash")
_NAMING = tuple(map(re.compile, (*(each + rb"(?![\w$])" for each in _ENDINGS), *_HASHED)))
"""Stands, in lower case, where a name ends that may be a secret's, and where one is hashed."""
_FACTORY = re.compile(r"claim|factory|provision|device", re.IGNORECASE)
_VERDICT = re.compile(r"^(?:invalid|missing|no|wrong|bad|expired)_?", re.IGNORECASE)
_WORD = re.compile(r"^[a-z]+$|^Bearer$|^(?:\[object Object\]|undefined|null)$")
_EXAMPLE = re.compile(
    r"(?:your|change|replace|insert|enter|fill)[-_ ].*|<.*>|(?:change|replace)(?:me|this).*",
    re.IGNORECASE,
)
"""What an example file holds: code that asks for it turns it away."""
_STYLE = re.compile(r"--[a-z][\w-]*|[a-z]+(?:-[a-z]+)+")
"""A property or a name of a style sheet, which is what a token is there."""
_STANDS_IN = re.compile(
    r"(?:^|_)(?:mock|fake|dummy|sample|example|test)(?=[A-Z_]|$)", re.IGNORECASE
)
_SIGNS = (
    *(b"secret", b"password", b"passcode", b"claimcode", b"claim_code", b"key", b"token"),
    *(b"accesscode", b"access_code", b"bcrypt", b"argon2"),
)
_SECRETIVE = question(SUFFIXES, lambda content: holds_in_any_case(content, _SIGNS), is_source)
_NAMED = question(SUFFIXES, lambda content: matches_any(in_lower_case(content), _NAMING), is_source)
_CODE = (*SUFFIXES, ".tsx", ".jsx", ".py", ".java", ".kt", ".go", ".rb", ".php", ".cs", ".rs")
_SECRETS = (b"secret", b"password", b"code", b"key", b"token")
_CLAIMING = tuple(
    (word, re.compile(word + rb"[\w.-]{0,24}(?:secret|password|passcode|code|key|token)"))
    for word in (b"claim", b"factory", b"provision", b"device")
)
_DEMANDING = tuple(re.compile(word + rb"\w*['\"\]]*\s*(?:\|\||\?\?|,)") for word in _SECRETS)
"""Searched in lower case, one after the other: each starts with a word that is found fast."""


def _claims(content: bytes) -> bool:
    lowered = in_lower_case(content)
    return holds(lowered, _SECRETS) and any(
        word in lowered and matches(lowered, pattern) for word, pattern in _CLAIMING
    )


def _demands(content: bytes) -> bool:
    lowered = in_lower_case(content)
    told = b"requiredsecret(" in lowered
    return told or matches_any(lowered, _DEMANDING)


_NAMES_SECRET = question(
    _CODE,
    lambda content: holds_in_any_case(content, _SIGNS),
    is_deployed_from,
    leads_to_reading=False,
)
_CLAIMS = question(_CODE, _claims, is_deployed_from, leads_to_reading=False)
_DEMANDS = question(SUFFIXES, _demands, is_source, leads_to_reading=False)
_SHORTEST = 4
_HASHES = frozenset({"hash", "hashSync"})
_HASHING = re.compile(r"bcrypt\w*|argon2\w*", re.IGNORECASE)


def may_name_secret(tree: Tree) -> bool:
    """Return whether any code of the tree, in whatever language, names a secret."""
    return bool(tree.candidates(_NAMES_SECRET))


def may_demand(tree: Tree) -> bool:
    """Return whether code claims devices, or will not start without a secret once it is mended."""
    return may_claim(tree) or bool(tree.candidates(_DEMANDS))


def may_claim(tree: Tree) -> bool:
    """Return whether any code of the tree, in whatever language, may claim devices by a code."""
    return bool(tree.candidates(_CLAIMS))


class SecretKind(Enum):
    """How a secret stands in the source, in words."""

    COMPARED = "is compared with a literal"
    CONSTANT = "is kept in a constant"
    FALLBACK = "falls back to a literal"
    HASHED = "is hashed from a literal"


@dataclass(frozen=True, slots=True, kw_only=True)
class HardcodedSecret:
    """One secret in the source; `compared` or `fallback` is the code that holds it."""

    path: PurePosixPath
    kind: SecretKind
    name: str
    literal: str
    place: typescript.SourceRange
    value: typescript.SourceRange | None = None
    """What a constant is made of, or what is hashed."""
    compared: Compared | None = None
    fallback: typescript.Fallback | None = None

    @property
    def is_factory(self) -> bool:
        """Return whether this is the code that devices are claimed with."""
        told = self.kind is SecretKind.COMPARED and not re.search(
            "password", self.name, re.IGNORECASE
        )
        return told and bool(_FACTORY.search(f"{self.name} {self.path.name}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Every secret in a tree's TypeScript, what was read for it, and who reads the variable."""

    secrets: tuple[HardcodedSecret, ...]
    examined: tuple[PurePosixPath, ...]
    readers: tuple[PurePosixPath, ...]
    broken: tuple[Unresolved, ...]


@once
def sources(tree: Tree) -> Sources:
    """Return what the tree's TypeScript says about secrets."""
    examined = tree.candidates(_SECRETIVE)
    named = frozenset(tree.candidates(_NAMED))
    contents = {path: tree.read(path) or b"" for path in examined}
    reading = f"process.env.{VARIABLE}".encode()
    return Sources(
        secrets=tuple(item for path in examined if path in named for item in _secrets(tree, path)),
        examined=examined,
        readers=tuple(path for path, content in contents.items() if reading in content),
        broken=tuple(
            _unparsable(path, source)
            for path, content in contents.items()
            if _is_about_the_factory(content) or path in named
            if (source := typescript.read(content)).refusal
            or (source.error_line is not None and _is_about_the_factory(content))
        ),
    )


def _is_about_the_factory(content: bytes) -> bool:
    return b"claimCode" in content or b"FACTORY" in content


@once
def _secrets(tree: Tree, path: PurePosixPath) -> tuple[HardcodedSecret, ...]:
    content = tree.read(path) or b""
    source, root = typescript.read(content), typescript.parsed(content)
    made = partial(HardcodedSecret, path=path)
    compared = (
        made(
            kind=SecretKind.COMPARED,
            name=item.name,
            literal=item.literal,
            place=item.place,
            compared=item,
        )
        for item in comparisons(TypeScriptValues(tree), path, root, _may_be_secret)
        if _is_secret(item.name, item.literal) and not is_mock(item.node)
    )
    constants = (
        made(
            kind=SecretKind.CONSTANT,
            name=item.name,
            literal=literal,
            place=item.place,
            value=item.value,
        )
        for item in source.definitions
        if (literal := typescript.string_value(item.value)) is not None
        and _is_secret(item.name, literal)
        and literal.upper() != item.name.upper()
    )
    defaults = environment_defaults(root) if b"process.env" in content else ()
    fallbacks = (
        made(kind=SecretKind.FALLBACK, name=name, literal=literal, place=place, fallback=fallback)
        for name, literal, place, fallback in (
            *((item.variable, item.literal, item.place, item) for item in source.fallbacks),
            *((*default, None) for default in defaults),
        )
        if _SECRET_TAIL.search(name) and literal
    )
    hashed = (
        made(
            kind=SecretKind.HASHED,
            name="a password",
            literal=call.path,
            place=call.arguments[0],
            value=call.arguments[0],
        )
        for call in source.calls
        if call.method in _HASHES
        and _HASHING.fullmatch(call.receiver)
        and call.path is not None
        and len(call.path) >= _SHORTEST
    )
    return (*compared, *constants, *fallbacks, *hashed)


def _may_be_secret(name: str) -> bool:
    return _SECRET_TAIL.search(name) is not None


def _is_secret(name: str, literal: str) -> bool:
    return (
        _may_be_secret(name)
        and not _VERDICT.match(name)
        and len(literal) >= _SHORTEST
        and not _WORD.match(literal)
        and not _EXAMPLE.fullmatch(literal)
        and not _STANDS_IN.search(name)
        and not (name.lower().endswith("token") and _STYLE.fullmatch(literal))
    )


def _unparsable(path: PurePosixPath, source: typescript.TypeScriptSource) -> Unresolved:
    detail = source.refusal or "the source does not parse"
    line = source.error_line or 1
    return Unresolved(path=path, reason=Reason.UNPARSABLE, line=line, detail=detail)
