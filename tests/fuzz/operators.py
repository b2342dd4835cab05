"""Ways to spoil bytes: each takes a source of chance, the bytes and bytes of another file."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Operator = Callable[[Random, bytes, bytes], bytes]

_WORDS = (
    b"'",
    b'"',
    b'"""',
    b"`",
    b"${",
    b"{{",
    b"{%",
    b"$$",
    b"--",
    b"/*",
    b"*/",
    b"#",
    b"&a *a",
    b"<<: *a",
    b"!!python/name:os.system",
    b"---\n",
    b"\t",
    b"null",
    b"~",
    b"[]",
    b"{}",
    b"-1",
    b"1e999",
    b"99999999999999999999999999",
    b"0x",
    b"NaN",
    b"true",
    b"../../../../../../etc/passwd",
    b"/etc/passwd",
    b"C:\\x",
    b"*",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"(",
    b")",
    b":",
    b",",
    b"=",
    b"allow_origins=['*']",
    b"cors()",
    b"FastAPI()",
    b"listener 1883",
    b"\n",
)
_CONTROLS = b"\0\x01\x07\x08\x0b\x0c\x1a\x1b\x7f\x85\xa0\xad\xff"
_ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "latin-1", "cp037", "utf-8-sig", "utf-7")
_BRACKETS = ((b"(", b")"), (b"[", b"]"), (b"{", b"}"), (b"{a: ", b"}"), (b"-", b""), (b"!", b""))
_DEPTHS = (20, 200, 2_000, 20_000)
_LENGTHS = (1_000, 70_000, 1_500_000)


def flip_bytes(chance: Random, content: bytes, other: bytes) -> bytes:
    """Change single bytes."""
    del other
    spoiled = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 8))):
        if spoiled:
            spoiled[chance.randrange(len(spoiled))] ^= 1 << chance.randrange(8)
    return bytes(spoiled)


def cut_off(chance: Random, content: bytes, other: bytes) -> bytes:
    """Keep the beginning only, or the end only."""
    del other
    at = _place(chance, content)
    return chance.choice((content[:at], content[at:]))


def cut_out(chance: Random, content: bytes, other: bytes) -> bytes:
    """Take a piece out."""
    del other
    start, end = _span(chance, content)
    return content[:start] + content[end:]


def cut_lines(chance: Random, content: bytes, other: bytes) -> bytes:
    """Take some lines out."""
    del other
    lines = content.splitlines(keepends=True)
    start = _place(chance, lines)
    return b"".join(lines[:start] + lines[start + chance.randint(1, 4) :])


def repeat_piece(chance: Random, content: bytes, other: bytes) -> bytes:
    """Write a piece twice or many times."""
    del other
    start, end = _span(chance, content)
    times = chance.choice((2, 2, 3, 40))
    return content[:start] + content[start:end] * times + content[end:]


def repeat_lines(chance: Random, content: bytes, other: bytes) -> bytes:
    """Write a block of lines twice."""
    del other
    lines = content.splitlines(keepends=True)
    start = _place(chance, lines)
    end = start + chance.randint(1, 12)
    return b"".join(lines[:end] + lines[start:end] + lines[end:])


def swap_lines(chance: Random, content: bytes, other: bytes) -> bytes:
    """Change the order of two lines."""
    del other
    lines = content.splitlines(keepends=True)
    if lines:
        one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
        lines[one], lines[two] = lines[two], lines[one]
    return b"".join(lines)


def splice(chance: Random, content: bytes, other: bytes) -> bytes:
    """Go on with another file in the middle of this one."""
    return content[: _place(chance, content)] + other[_place(chance, other) :]


def insert_piece(chance: Random, content: bytes, other: bytes) -> bytes:
    """Put a piece of another file into this one."""
    at = _place(chance, content)
    start, end = _span(chance, other)
    return content[:at] + other[start:end] + content[at:]


def insert_word(chance: Random, content: bytes, other: bytes) -> bytes:
    """Put words in that mean something to one of the parsers."""
    del other
    for _ in range(chance.choice((1, 1, 3))):
        at = _place(chance, content)
        content = content[:at] + chance.choice(_WORDS) + content[at:]
    return content


def replace_token(chance: Random, content: bytes, other: bytes) -> bytes:
    """Put a word in the place of what stands between two blanks or signs."""
    del other
    at = _place(chance, content)
    end = at
    while end < len(content) and content[end : end + 1].isalnum():
        end += 1
    return content[:at] + chance.choice(_WORDS) + content[end:]


def insert_control(chance: Random, content: bytes, other: bytes) -> bytes:
    """Put control characters and bytes in that are no UTF-8."""
    del other
    for _ in range(chance.choice((1, 2, 6))):
        at = _place(chance, content)
        content = content[:at] + bytes([chance.choice(_CONTROLS)]) + content[at:]
    return content


def lengthen_line(chance: Random, content: bytes, other: bytes) -> bytes:
    """Make one line very long."""
    del other
    at = _place(chance, content)
    filler = chance.choice((b"x", b" ", b"a,", b"# ", b"'", b"\\"))
    return content[:at] + filler * chance.choice(_LENGTHS) + content[at:]


def nest(chance: Random, content: bytes, other: bytes) -> bytes:
    """Nest brackets deeply."""
    del other
    at = _place(chance, content)
    opening, closing = chance.choice(_BRACKETS)
    depth = chance.choice(_DEPTHS)
    closed = chance.choice((depth, depth, 0))
    return content[:at] + opening * depth + closing * closed + content[at:]


def reencode(chance: Random, content: bytes, other: bytes) -> bytes:
    """Write the text in another encoding."""
    del other
    text = content.decode("utf-8", "replace")
    return text.encode(chance.choice(_ENCODINGS), "replace")


def mix_line_endings(chance: Random, content: bytes, other: bytes) -> bytes:
    """End each line in one of several ways, or all of them in one."""
    del other
    endings = chance.choice(
        ((b"\r\n",), (b"\r",), (b"\n", b"\r\n"), (b"\n", b"\r\n", b"\r", b"\x0c\n", b" \n"))
    )
    return b"".join(line + chance.choice(endings) for line in content.splitlines())


def indent(chance: Random, content: bytes, other: bytes) -> bytes:
    """Indent some lines otherwise."""
    del other
    lines = content.splitlines(keepends=True)
    for _ in range(chance.choice((1, 2, 20))):
        if lines:
            at = chance.randrange(len(lines))
            blanks = chance.choice((b" ", b"  ", b"\t", b"\xc2\xa0", b"\x0c"))
            lines[at] = chance.choice((blanks + lines[at], lines[at].lstrip()))
    return b"".join(lines)


def become_other(chance: Random, content: bytes, other: bytes) -> bytes:
    """Hold what another file holds."""
    del chance, content
    return other


OPERATORS: tuple[Operator, ...] = (
    flip_bytes,
    cut_off,
    cut_out,
    cut_lines,
    repeat_piece,
    repeat_lines,
    swap_lines,
    splice,
    insert_piece,
    insert_word,
    insert_word,
    replace_token,
    replace_token,
    insert_control,
    lengthen_line,
    nest,
    reencode,
    mix_line_endings,
    indent,
    become_other,
)


def _place(chance: Random, content: bytes | list[bytes]) -> int:
    return chance.randint(0, len(content))


def _span(chance: Random, content: bytes) -> tuple[int, int]:
    start = _place(chance, content)
    return start, min(len(content), start + chance.choice((1, 4, 16, 64, 1024)))
