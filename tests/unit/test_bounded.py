"""One spoiled file is told and the rest goes on: no bug of ours, no endless run.

Growth is held by counting: a file twice as long may take little more than twice the steps.
"""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType

import pytest

from closeout.cli.commands import fix
from closeout.cli.error_handler import guarded
from closeout.engine import rules
from closeout.errors import ExitCode
from closeout.fs.tree import DiskTree, MemoryTree
from closeout.gaps import GAPS
from closeout.gaps.cors.express import detect
from closeout.parsing.typescript_values import Leaf, TypeScriptValues
from closeout.runs.workspace import REFERENCE
from tests.support import hostile
from tests.support.monorepos import space_for

MANIFEST = "k8s/odd.yaml"
MODULE = "cloud-layer/cloud-inference-server/app/more.py"
SCRIPT = "cloud-layer/cloud-identity-access/src/more.ts"
WILDCARD = "app.add_middleware(CORSMiddleware, allow_origins=['*'])\n"
APP = "from fastapi import FastAPI\nfrom starlette.middleware.cors import CORSMiddleware\n"
EXPRESS = "import cors from 'cors';\nimport express from 'express';\nconst app = express();\n"


def _secret(body: str) -> str:
    return f"apiVersion: v1\nkind: Secret\nmetadata: {{name: odd}}\nstringData:\n{body}"


TAGS = {
    "bool": "  A_TOKEN: !!bool maybe\n",
    "timestamp": "  A_TOKEN: !!timestamp tomorrow\n",
    "int": '  A_TOKEN: !!int ""\n',
    "float": "  A_TOKEN: !!float x\n",
    "thirteenth month": "  A_TOKEN: 2024-13-45\n",
    "omap": "  A_TOKEN: !!omap 5\n",
    "long number": f"  A_TOKEN: {'9' * 6000}\n",
    "far zone": "  A_TOKEN: 2001-12-14t21:59:43.10+99:99\n",
}

SPOILED = {
    **{f"tag {name}": (MANIFEST, _secret(body)) for name, body in TAGS.items()},
    "kind that is a list": (MANIFEST, "apiVersion: v1\nkind: [Secret]\nstringData: {A: b}\n"),
    "entry without a name": (
        MANIFEST,
        "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: 5\nspec: [1]\n",
    ),
    "cron job of tags": (
        MANIFEST,
        "apiVersion: batch/v1\nkind: CronJob\nspec: {schedule: !!bool x, jobTemplate: !!int y}\n",
    ),
    "a hundred thousand entries": (
        "cloud-layer/docker-compose.more.yml",
        "x:\n" + "".join(f"  k{number}: v\n" for number in range(100_001)),
    ),
    "long chain of calls": (MODULE, APP + "app = FastAPI()\nx = app" + ".b()" * 450 + "\n"),
    "long sum": (MODULE, APP + "app = FastAPI()\nx = " + "1+" * 900 + "1\n"),
    "list of a megabyte": (MODULE, APP + "x = [" + "1," * 600_000 + "]\n"),
    "chain of policies": (SCRIPT, EXPRESS + "app" + ".use(cors())" * 2000 + ";\n"),
    "policies in each other": (
        SCRIPT,
        EXPRESS + "app.use(" + "cors({origin:" * 300 + "'*'" + "})" * 300 + ");\n",
    ),
    "sum of texts": (SCRIPT, EXPRESS + "const x = " + "'a'+" * 5000 + "'a';\n"),
    "open parentheses": (SCRIPT, EXPRESS + "const x = " + "(" * 60_000 + ")" * 60_000 + ";\n"),
    "script of a megabyte": (SCRIPT, EXPRESS + f"const x = '{'a' * 1_100_000}';\n"),
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a small monorepo with open gaps."""
    return hostile.small_monorepo(tmp_path / "root")


@pytest.mark.parametrize("kind", SPOILED)
def test_spoiled_file_is_no_bug_of_ours_and_the_rest_is_mended(
    kind: str, root: Path, tmp_path: Path
) -> None:
    """What cannot be read is not judged; every other place is mended as without it."""
    place, text = SPOILED[kind]
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_text(text)
    code = guarded(tmp_path, lambda: fix.fix(space_for(tmp_path, root), GAPS))
    assert code in {ExitCode.GAPS_LEFT, ExitCode.UNPROVEN}
    assert (root / place).read_text() == text or "policies" in kind or kind == "long sum"
    main = (root / "cloud-layer/cloud-inference-server/app/main.py").read_text()
    assert "install_cors(" in main


def test_settings_nested_without_end_are_unusable_input(root: Path, tmp_path: Path) -> None:
    """Every command goes by them, so nothing is written until they are mended."""
    (root / "closeout.toml").write_text("a = " + "[" * 100_000)
    code = guarded(tmp_path, lambda: fix.fix(space_for(tmp_path, root), GAPS))
    assert code is ExitCode.UNUSABLE_INPUT
    assert not list(root.rglob("cors.py"))


UNREAD = ("a hundred thousand entries", "long chain of calls", "list of a megabyte", "sum of texts")


@pytest.mark.parametrize("kind", UNREAD)
def test_file_beyond_its_bounds_is_told_with_the_bound(kind: str, root: Path) -> None:
    """Skipped without a word it would look clean."""
    place, text = SPOILED[kind]
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    (root / place).write_text(text)
    tree = DiskTree(root)
    told = {
        item.detail
        for gap in GAPS
        for check in rules.checks(gap, tree)
        for item in check.unresolved
        if str(item.path) == place
    }
    assert told
    assert all(any(letter.isdigit() for letter in detail) for detail in told)


def _steps(work: Callable[[], object]) -> int:
    count = 0

    def step(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        del frame, event, argument
        count += 1

    # Python 3.11.2 may crash where it collects garbage while calls are counted.
    gc.collect()
    gc.disable()
    sys.setprofile(step)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def _many(number: int) -> dict[str, MemoryTree]:
    python = APP + "app = FastAPI()\n" + WILDCARD * number
    script = EXPRESS + "app.use(cors({ origin: '*' }));\n" * number
    manifest = b'{"name": "a", "dependencies": {"express": "4", "cors": "2"}}'
    folder = "cloud-layer/cloud-herd-service"
    return {
        "python": MemoryTree({f"{folder}/app/main.py": python.encode()}),
        "typescript": MemoryTree(
            {f"{folder}/src/index.ts": script.encode(), f"{folder}/package.json": manifest}
        ),
    }


@pytest.mark.parametrize("language", ["python", "typescript"])
def test_steps_grow_with_the_length_of_a_file(language: str) -> None:
    """Detection and fix of four times as many places take some four times the steps."""

    def work(number: int) -> int:
        tree = _many(number)[language]
        return _steps(lambda: [(rules.checks(gap, tree), tuple(gap.fix(tree))) for gap in GAPS])

    work(10)  # what is loaded once
    assert work(1600) < 6 * work(400)


REPEATED = {
    "python": "cloud-layer/cloud-inference-server/app/main.py",
    "typescript": "cloud-layer/cloud-tenant-registry/src/controllers/provisioning.ts",
    "routes": "cloud-layer/cloud-identity-access/src/routes/authRoutes.ts",
    "compose": "edge-layer/docker-compose.yml",
    "manifest": "k8s/edge-mqtt-broker/deployment.yaml",
    "values": "cloud-layer/cloud-identity-access/helm/values.yaml",
    "template": "cloud-layer/cloud-identity-access/helm/templates/deployment.yaml",
    "npm": "cloud-layer/cloud-identity-access/package.json",
    "example": "cloud-layer/cloud-tenant-registry/.env.example",
    "image": "cloud-layer/cloud-identity-access/Dockerfile",
    "broker": "edge-layer/edge-mqtt-broker/mosquitto.conf",
    "schema": "cloud-layer/cloud-identity-access/db/schema.sql",
    "requirements": "cloud-layer/cloud-inference-server/requirements.txt",
    "prose": "cloud-layer/cloud-identity-access/README.md",
}
"""A file of each format of the reference, mostly with open places."""


NAMED: Mapping[str, tuple[str, str, str]] = {
    "applications": (
        REPEATED["python"],
        f"import os\n{APP}",
        """
class Layer{0}:
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["X-Frame-Options"] = settings.frames{0}
        response.headers["X-Content-Type-Options"] = NOSNIFF{0}
        return response


NOSNIFF{0} = os.getenv("NOSNIFF_{0}", "nosniff")
settings.frames{0} = "DENY"
app{0} = FastAPI()
app{0}.add_middleware(CORSMiddleware, allow_origins=["*"])
app{0}.add_middleware(Layer{0})
""",
    ),
    "claims": (
        REPEATED["typescript"],
        "import { Request, Response } from 'express';\n",
        """
const CODE_{0} = 'FACTORY-SECRET-{0}';
export async function claim{0}(req: Request, res: Response) {{
  const {{ claimCode }} = req.body;
  if (claimCode !== CODE_{0}) {{
    return res.status(403).json({{ error: 'wrong' }});
  }}
  return res.status(201).end();
}}
""",
    ),
    "services": (
        REPEATED["compose"],
        "services:\n",
        """  device-{0}:
    image: example/device:{0}
    environment:
      DATABASE_URL: postgres://farm:sowing-{0}@postgres-{0}:5432/farm
      MQTT_URL: mqtt://mosquitto-{0}:1883
    depends_on: [postgres-{0}]
  postgres-{0}:
    image: postgres:15
    environment: {{ POSTGRES_PASSWORD: sowing-{0} }}
  mosquitto-{0}:
    image: eclipse-mosquitto:2
    ports: ["{0}:1883"]
""",
    ),
}
"""Where many different places of a kind stand in one file, what it begins with, and a place."""


def _tree(place: str, text: str) -> MemoryTree:
    folder = REFERENCE / Path(*Path(place).parts[:2])
    files = [path for path in folder.rglob("*") if path.is_file()]
    held = {str(path.relative_to(REFERENCE)): path.read_bytes() for path in files}
    return MemoryTree({**held, place: text.encode()})


def _repeated(kind: str, size: int) -> MemoryTree:
    text = (REFERENCE / REPEATED[kind]).read_text()
    between = "---\n" if REPEATED[kind].endswith(".yaml") else ""
    return _tree(REPEATED[kind], between.join([text] * (size // len(text) + 1)))


def _named(kind: str, size: int) -> MemoryTree:
    place, head, each = NAMED[kind]
    return _tree(place, head + "".join(map(each.format, range(size // len(each) + 1))))


@pytest.mark.parametrize(
    ("longer", "kind"),
    [*((_repeated, kind) for kind in REPEATED), *((_named, kind) for kind in NAMED)],
)
def test_steps_grow_with_the_length_of_a_file_of_any_format(
    longer: Callable[[str, int], MemoryTree], kind: str
) -> None:
    """No gap looks at every place once for each of the others."""

    def work(size: int) -> int:
        tree = longer(kind, size)
        return _steps(lambda: [(rules.checks(gap, tree), tuple(gap.fix(tree))) for gap in GAPS])

    work(10)  # what is loaded once
    assert work(32_000) < 6 * work(8_000)


def test_function_that_many_places_call_is_followed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it returns is the same for all of them."""
    followed = []
    honest = TypeScriptValues._answered  # noqa: SLF001 - counted

    def answered(self: TypeScriptValues, function: Leaf, depth: int) -> Iterator[Leaf]:
        followed.append(function)
        return honest(self, function, depth)

    monkeypatch.setattr(TypeScriptValues, "_answered", answered)
    origins = b"export function origins() { return ['https://a.example']; }\n"
    counts = set()
    for number in (3, 30):
        script = EXPRESS + "import { origins } from './origins';\n"
        script += "app.use(cors({ origin: origins() }));\n" * number
        tree = MemoryTree({"s/index.ts": script.encode(), "s/origins.ts": origins})
        assert detect.look(tree).opened == ()
        counts.add(len(followed))
        followed.clear()
    assert counts == {1}
