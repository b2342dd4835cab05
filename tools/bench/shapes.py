"""Write what detectors look at, as often as a real monorepo of 2,900 files holds it.

The figures are counted there; the code is ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

EXPRESS = 26
"""Express applications, with 84 routers and 42 manifests of npm between them and the front ends."""
ROUTERS = 3
FASTAPI = 9
COMPOSE = 10
"""Compose files, with 105 services between them."""
SERVICES = 10
FALLBACKS = 12
OPEN_CORS = 7
SIGN_INS = 2
MODELS = 11
MODULES = 11
"""Modules of a FastAPI application besides its entry point."""
SIGNED = 2
"""Of so many compose services one is given an address with a password in it."""
PAGES = 10
"""Documents that teach the default of a secret, and as many scripts that open a server with it."""
_WORDS = ("barn", "gate", "4471", "latch")
_PASSWORD = "-".join(_WORDS)
_DATABASE = f"    environment:\n      POSTGRES_USER: barn\n      POSTGRES_PASSWORD: {_PASSWORD}\n"
_FUNCTIONS, _STEPS, _LINES = 16, 8, 40
_STEP = """step_{each} as (
    select a.barn, a.seen_on, count(*) as animals_{each},
        sum(case when a.weight > {each} then 1 else 0 end) as heavy_{each},
        coalesce(avg(a.weight), 0) as mean_weight
    from {{{{ source('herd', 'animals') }}}} a
    left join {{{{ source('herd', 'barns') }}}} b on b.id = a.barn
    where a.number > {number} and b.closed_on is null
    group by a.barn, a.seen_on
),
"""
_LAST = "last as (select * from step_0)\nselect barn, seen_on from last\n"
_PLAIN = ("SERVICE_NAME", "REGION", "QUEUE", "TOPIC", "TENANT", "TRACE_HOST", "STAGE", "MODE")
_USUAL = """    restart: unless-stopped
    networks: [barn, trace]
    depends_on:
      db: {condition: service_healthy}
    healthcheck:
      test: ["CMD", "wget", "-qO-", "http://127.0.0.1:3000/ready"]
      interval: 10s
      timeout: 3s
      retries: 5
    labels:
      team: barn
      tier: edge
    logging:
      driver: json-file
      options: {max-size: 10m, max-file: "3"}
    volumes:
      - ./notes:/app/notes:ro
      - barn-cache:/var/cache/barn
"""

_PACKAGE = {"dependencies": {"express": "4.19.2", "cors": "2.8.5"}, "version": "1.0.0"}


def lay(folder: Path, times: int) -> None:
    """Write the shapes of a tree `times` the usual size below `folder`."""
    for number in range(times):
        for path, text in _files(number):
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)


def _files(part: int) -> Iterator[tuple[PurePosixPath, str]]:
    for number in range(EXPRESS):
        yield from _express(PurePosixPath(f"edge-layer/edge-barn-{part:02d}{number:02d}"), number)
    for number in range(FASTAPI):
        yield from _fastapi(PurePosixPath(f"cloud-layer/cloud-sums-{part:02d}{number:02d}"), number)
    for number in range(COMPOSE):
        yield (
            PurePosixPath(f"stacks/{part:02d}{number:02d}/docker-compose.yml"),
            _compose(part, number),
        )
    for number in range(PAGES):
        yield PurePosixPath(f"guides/{part:02d}/gate-{number}.md"), _page(number)
        yield PurePosixPath(f"tools/{part:02d}/ask-{number}.sh"), _script(number)
    models = PurePosixPath(f"pipelines/{part:02d}")
    yield models / "dbt_project.yml", f"name: herd_{part}\nprofile: herd\nmodel-paths: [models]\n"
    for number in range(MODELS):
        yield models / f"models/herd_{number}.sql", _model(number)


def _express(folder: PurePosixPath, number: int) -> Iterator[tuple[PurePosixPath, str]]:
    package = json.dumps({"name": folder.name, **_PACKAGE}, indent=2)
    yield folder / "package.json", f"{package}\n"
    yield folder / "Dockerfile", 'FROM node:20\nWORKDIR /app\nCOPY . .\nCMD ["npm", "start"]\n'
    policy = "cors()" if number < OPEN_CORS else "cors({ origin: ['https://barn.example'] })"
    names = [f"part{each}" for each in range(ROUTERS)]
    imports = "".join(f"import {{ {name} }} from './routes/{name}';\n" for name in names)
    uses = "".join(f"app.use('/api/{name}', {name});\n" for name in names)
    yield (
        folder / "src/index.ts",
        (
            f"import express from 'express';\nimport cors from 'cors';\n{imports}\n"
            f"export const app = express();\napp.use({policy});\napp.use(express.json());\n{uses}"
            "app.listen(Number(process.env.PORT ?? 3000));\n"
        ),
    )
    secret = f"|| 'barn-{number}-key-7731'" if number < FALLBACKS else ""
    yield (
        folder / "src/settings.ts",
        (
            "export const settings = {\n  level: process.env.LOG_LEVEL || 'info',\n"
            f"  gateToken: process.env.GATE_TOKEN {secret},\n}};\n"
        ),
    )
    for each, name in enumerate(names):
        signs_in = number < SIGN_INS and each == 0
        yield folder / f"src/routes/{name}.ts", _router(name, signs_in=signs_in)
    if number % 2 == 0:
        yield folder / ".env.example", "PORT=3000\nLOG_LEVEL=info\n"
    yield PurePosixPath(f"k8s/{folder.name}.yaml"), _deployment(folder.name)


def _router(name: str, *, signs_in: bool) -> str:
    path = "/login" if signs_in else "/readings"
    return (
        f"import {{ Router }} from 'express';\n\nexport const {name} = Router();\n\n"
        f"{name}.post('{path}', async (req, res) => {{\n  const {{ name, password }} = req.body;\n"
        "  if (!name) return res.status(400).json({ error: 'name' });\n"
        "  return res.json({ name, known: Boolean(password) });\n});\n\n"
        f"{name}.get('/:id', (req, res) => res.json({{ id: req.params.id }}));\n"
    )


def _fastapi(folder: PurePosixPath, number: int) -> Iterator[tuple[PurePosixPath, str]]:
    yield folder / "requirements.txt", "fastapi==0.115.0\nuvicorn==0.30.0\n"
    yield folder / "app/__init__.py", ""
    yield (
        folder / "app/main.py",
        (
            "import os\n\nfrom fastapi import FastAPI\n"
            "from fastapi.middleware.cors import CORSMiddleware\n\nfrom app.sums import total\n"
            + "".join(f"from app.part_{each} import read_{each}_0\n" for each in range(MODULES))
            + "\n"
            f'app = FastAPI(title="sums {number}")\n'
            'app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"])\n\n\n'
            '@app.get("/sums/{barn}")\nasync def sums(barn: str) -> dict[str, float]:\n'
            '    return {barn: total(os.getenv("SCALE", "1"))}\n'
        ),
    )
    for module in range(MODULES):
        yield folder / f"app/part_{module}.py", _module(module)
    yield folder / "app/sums.py", "def total(scale: str) -> float:\n    return 2.0 * float(scale)\n"


def _module(number: int) -> str:
    functions = "".join(
        f"\n\nasync def read_{number}_{each}(request: Request) -> dict[str, str | None]:\n"
        f'    """Return what the caller says of step {each}."""\n'
        "    told = request.headers.get('x-barn')\n"
        f"    held = os.getenv('STEP_{each}', 'none')\n"
        "    if told is None and held == 'none':\n"
        f"        raise HTTPException(status_code=400, detail='step {each}')\n"
        "    return {'told': told, 'held': held}\n"
        for each in range(_FUNCTIONS)
    )
    return f"import os\n\nfrom fastapi import HTTPException, Request\n{functions}"


def _compose(part: int, place: int) -> str:
    services = "".join(
        f"  edge-barn-{part:02d}{number % EXPRESS:02d}:\n"
        f"    build: ../../edge-layer/edge-barn-{part:02d}{number % EXPRESS:02d}\n"
        "    environment:\n      PORT: 3000\n      LOG_LEVEL: info\n"
        + "".join(f"      {name}: {name.lower()}-{number}\n" for name in _PLAIN)
        + (
            f"      DATABASE_URL: postgresql://barn:{_PASSWORD}@db:5432/barn_{number}\n"
            "      GATE_TOKEN: ${GATE_TOKEN:-gate-rope-7731-hinge}\n"
            if number % SIGNED == 0
            else ""
        )
        + _USUAL
        for number in range(place, place + SERVICES)
    )
    return f"services:\n  db:\n    image: postgres:16\n{_DATABASE}{services}"


def _page(number: int) -> str:
    return (
        f"# Gate {number}\n\n| variable | default |\n| --- | --- |\n"
        "| `GATE_TOKEN` | `gate-rope-7731-hinge` |\n\n"
        f"Open the database with `postgresql://barn:{_PASSWORD}@db:5432/barn_{number}`.\n"
    )


def _script(number: int) -> str:
    return (
        f"#!/bin/sh\nset -eu\nstage=${{STAGE:-dev}}\nPGPASSWORD={_PASSWORD}\nexport PGPASSWORD\n"
        f'psql -h db -U barn -d "barn_{number}" -f animals.sql\n'
        + "".join(f'echo "step {each} of $stage"\n' for each in range(_LINES))
    )


def _deployment(name: str) -> str:
    variables = "".join(
        f'            - {{name: {each}, value: "{each.lower()}-{name}"}}\n' for each in _PLAIN
    )
    return (
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}, namespace: barn}}\n"
        f"spec:\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n"
        f"    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n"
        f"        - name: {name}\n          image: registry.example/{name}:1\n"
        f'          env:\n            - {{name: PORT, value: "3000"}}\n{variables}'
        "          readinessProbe: {httpGet: {path: /ready, port: 3000}, periodSeconds: 5}\n"
        "          resources: {limits: {cpu: 500m, memory: 256Mi}}\n---\n"
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: barn}}\n"
        f"spec:\n  selector: {{app: {name}}}\n  ports:\n    - {{port: 80, targetPort: 3000}}\n"
    )


def _model(number: int) -> str:
    steps = "".join(_STEP.format(each=each, number=number) for each in range(_STEPS))
    return f"{{{{ config(materialized='table') }}}}\n\nwith {steps}{_LAST}"
