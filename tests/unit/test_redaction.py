"""No secret of a tree stands in anything that a flow shows or keeps, but in the undo store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from closeout.cli.commands import detect, fix
from closeout.cli.commands import report as reporting
from closeout.console import redaction
from closeout.gaps import GAPS
from tests.support.monorepos import reference_copy, space_for

CANARIES = {
    "compose": "K1compose8f3aQ92xLm",
    "example": "K2envex7d1bW83yPn",
    "code": "K3code5c2eR74zTk",
    "manifest": "K4k8s9b4dV65uHj",
    "url": "K6url3e8gY47sFd",
    "claim": "K7claim2b9cZ16wJq",
    "default": "K8deflt4h7jX05vNs",
}


def _plant(root: Path) -> None:
    cloud = root / "cloud-layer"
    compose = cloud / "docker-compose.yml"
    text = compose.read_text().replace("farmiq_dev", CANARIES["compose"], 1)
    compose.write_text(
        text.replace("JWT_SECRET:", f"API_TOKEN: {CANARIES['compose']}\n      JWT_SECRET:", 1)
    )
    with (cloud / "cloud-billing-service/.env.example").open("a") as stream:
        stream.write(f"JWT_SECRET={CANARIES['example']}\n")
        stream.write(f"DATABASE_URL=postgres://u:{CANARIES['url']}@db/x\n")
    config = cloud / "cloud-identity-access/src/tokens.ts"
    config.write_text(f"export const s = process.env.JWT_SECRET || '{CANARIES['code']}';\n")
    (cloud / "cloud-feed-planner/app/more.py").write_text(
        f"import os\nS = os.environ.get('JWT_SECRET', '{CANARIES['code']}')\n"
    )
    (root / "k8s/secret.yaml").write_text(
        "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData:\n"
        f"  JWT_SECRET: {CANARIES['manifest']}\n"
        f"  DATABASE_URL: postgres://u:{CANARIES['url']}@h/d\n"
    )
    for path in root.rglob("*.ts"):
        text = path.read_text()
        if "FACTORY-SECRET" in text:
            path.write_text(text.replace("FACTORY-SECRET", CANARIES["claim"]))


def _left(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "undo" not in path.relative_to(folder).parts:
            content = path.read_bytes()
            for kind, value in CANARIES.items():
                if value.encode() in content:
                    yield f"{kind} in {path.relative_to(folder)}"


def test_whole_flow_leaves_no_secret_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Detecting, planning, fixing, reporting and auditing: neither printed nor kept."""
    root, home = reference_copy(tmp_path / "farmiq"), tmp_path / "home"
    _plant(root)
    monkeypatch.setenv("CLOSEOUT_CACHE", str(tmp_path / "home/cache"))
    space = space_for(home, root)
    detect.detect(space, GAPS)
    fix.show(space, GAPS, diff=True)
    fix.fix(space, GAPS)
    reporting.build(space)
    printed = "".join(capsys.readouterr())
    assert [kind for kind, value in CANARIES.items() if value in printed] == []
    assert "***" in printed
    assert list(_left(home)) == []
    assert any((home / "reports").rglob("*.patch"))


@pytest.mark.parametrize(
    ("line", "settings"),
    [
        ("  POSTGRES_PASSWORD: s3cr3tvalue", True),
        ("- API_TOKEN=s3cr3tvalue", True),
        ('  "jwt_secret": "s3cr3tvalue",', False),
        ("const s = process.env.JWT_SECRET || 's3cr3tvalue';", False),
        ('S = os.getenv("JWT_SECRET", "s3cr3tvalue")', False),
        ("      X: ${DB_PASSWORD:-s3cr3tvalue}", True),
        ("url = 'amqp://user:s3cr3tvalue@broker'", False),
        ("Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.s3cr3tvalue0.s3cr3tvalue", False),
        ("-----BEGIN RSA PRIVATE KEY-----\n+s3cr3tvalue\n+s3cr3tvalue\n+-----END", False),
    ],
)
def test_value_is_masked_by_its_name_or_form(line: str, *, settings: bool) -> None:
    """What stands around it stays, line by line."""
    shown = redaction.masked(line, settings=settings)
    assert "s3cr3tvalue" not in shown
    assert redaction.MASK in shown
    assert shown.count("\n") == line.count("\n")
    assert shown[:5] == line[:5]


@pytest.mark.parametrize(
    "line",
    [
        "      JWT_SECRET: ${JWT_SECRET:?set it}",
        "      MEDIA_SECRET: ${MEDIA_SECRET:-${STORE_SECRET:?set it}}",
        "const secret = process.env.JWT_SECRET;",
        "token = read_token(request)",
        'API_TOKEN: "<ask your team>"',
        "image: postgres:16",
        "app.use(rateLimit({ max: 5 }));",
        "- POSTGRES_USER: farm",
    ],
)
def test_what_is_no_secret_is_shown(line: str) -> None:
    """A diff that hides the change is of no use to its reader."""
    assert redaction.masked(line) == line


def test_what_compose_says_of_a_missing_variable_is_shown() -> None:
    """It stands where a value might, and is the fix that a reader looks for."""
    section = (
        b"diff --git a/compose.yml b/compose.yml\n"
        b"-      LOGIN_PASSWORD: ${LOGIN_PASSWORD:-s3cr3tvalue}\n"
        b"+      LOGIN_PASSWORD: ${LOGIN_PASSWORD:?set it in .env}\n"
        b"+      OTHER_PASSWORD: ?s3cr3tvalue\n"
    )
    shown = redaction.diff(section)
    assert b"{LOGIN_PASSWORD:?set it in .env}" in shown
    assert b"s3cr3tvalue" not in shown


def test_value_that_was_found_is_masked_wherever_it_occurs() -> None:
    """What a rule found on one line stands in a comment of another file."""
    found = redaction.values(["if (claim !== 'FARM-CLAIM-77') refuse(SECRET_NAME);"])
    assert found == {"FARM-CLAIM-77"}
    assert redaction.masked("# was FARM-CLAIM-77", found) == "# was ***"


@pytest.mark.parametrize("text", ["a" * 300_000, "a." * 150_000, "a://" * 80_000, "token" * 60_000])
def test_masking_takes_time_by_the_length_of_a_line(text: str) -> None:
    """A line of a megabyte is searched once, not once a character."""
    assert redaction.masked(f"X={text}", settings=True).startswith("X=")
