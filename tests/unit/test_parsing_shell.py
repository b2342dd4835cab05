"""What a script runs is told from what it says, byte for byte in the same places."""

import pytest

from closeout.parsing import shell


@pytest.mark.parametrize(
    ("script", "left"),
    [
        (b"mv a b # and mv", b"mv a b"),
        (b"echo mv a && mv a b", b"echo      && mv a b"),
        (b'log "mv $(mv a b) mv"', b'log "   $(mv a b)   "'),
        (b"x='mv a b'", b"x='mv a b'"),
        (b"sh -c 'mv a b'", b"sh -c 'mv a b'"),
        (b"f() { echo mv; mv a b; }", b"f() { echo   ; mv a b; }"),
        (b"echo >&2 'mv'", b"echo     '  '"),
        (b"cat <<EOF\nmv a b\nEOF\nmv c d", b"cat <<EOF\n\nEOF\nmv c d"),
        (b"bash <<-'EOF'\n\tmv a b\n\tEOF\n", b"bash <<-'EOF'\n\tmv a b\n\tEOF\n"),
        (
            b"case $x in a) echo mv ;; b) mv a b ;; esac",
            b"case $x in a) echo    ;; b) mv a b ;; esac",
        ),
        (b"if ! mv a b; then die 'mv'; fi", b"if ! mv a b; then die '  '; fi"),
        (b"echo ${x:-mv} $((1 + 2)) mv", b"echo ${x:-mv} $((1 + 2))"),
        (b"echo 'mv", b"echo '"),
    ],
)
def test_commands_blanks_what_a_script_only_says(script: bytes, left: bytes) -> None:
    """Comments, printed text and shown documents go; what runs, in strings too, stays."""
    seen = shell.commands(script)
    assert len(seen) == len(script)
    assert [line.rstrip() for line in seen.split(b"\n")] == [
        line.rstrip() for line in left.split(b"\n")
    ]


def test_unquoted_blanks_strings_too() -> None:
    """An option in a string is set by nobody."""
    assert shell.unquoted(b'set -e; x="set -u"').split() == [b"set", b"-e;", b'x="', b'"']
