"""Small trees of a dozen shapes: where services stand, what serves them, how policies are set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.strangers import SHOP


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The files of a tree, and of those the ones that a fix mends."""

    files: Mapping[str, bytes]
    mended: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    """Files with a place that is left to a person."""


_OPEN = b'allow_origins=["*"], allow_credentials=True'
_RECIPE = b'FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\nCMD ["uvicorn", "main:app"]\n'
_FASTAPI = (
    b"from fastapi import FastAPI\nfrom fastapi.middleware.cors import CORSMiddleware\n\n"
    b"app = FastAPI()\napp.add_middleware(CORSMiddleware, " + _OPEN + b")\n\n\n"
    b'@app.get("/tides")\ndef tides():\n    return []\n'
)
_SETTINGS = b"""from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    cors_origins: list[str] = ["*"]


settings = Settings()
"""
_BY_SETTINGS = b"""from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from settings import settings

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, allow_methods=["*"])
"""
_BY_KEYWORDS = b"""from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

POLICY = {"allow_origins": ["*"], "allow_methods": ["*"], "allow_credentials": True}

app = FastAPI()
app.add_middleware(CORSMiddleware, **POLICY)
"""
_BY_LIST = b"""from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route


async def tides(request):
    return JSONResponse([])


app = Starlette(
    routes=[Route("/tides", tides)],
    middleware=[Middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["GET"])],
)
"""
_MOUNTING = b"""from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from admin import admin

app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
app.mount("/admin", admin)
"""
_MOUNTED = b"""from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

admin = FastAPI()
admin.add_middleware(CORSMiddleware, allow_origins=["*"], allow_headers=["*"])


@admin.delete("/tides")
def forget():
    return None
"""
_EXPRESS = b"""const express = require('express')
const cors = require('cors')

const app = express()
app.use(cors())
app.use(express.json())
app.post('/login', (req, res) => {
  if (req.body.password !== process.env.GATE_PASSWORD) return res.status(401).json({})
  res.json({ token: 'x' })
})
app.listen(3000)
"""
_ESM = b"""import express from 'express'
import cors from 'cors'

const app = express()
app.use(cors({ origin: '*', credentials: true }))
app.get('/tides', (req, res) => res.json([]))
app.listen(3000)
"""
_TYPED = b"""import express, { Request, Response } from 'express';
import cors from 'cors';

export const app = express();
app.use(cors());
app.get('/tides', (_: Request, res: Response) => {
  res.json([]);
});
"""
_NEST_MAIN = b"""import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module';

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  app.enableCors();
  await app.listen(3000);
}
bootstrap();
"""
_NEST_LOGIN = b"""import { Body, Controller, Post } from '@nestjs/common';

@Controller('auth')
export class GateController {
  @Post('login')
  login(@Body() body: { name: string; password: string }) {
    return { token: body.name };
  }
}
"""
_FASTIFY = b"""const fastify = require('fastify')()

fastify.register(require('@fastify/cors'), { origin: '*' })
fastify.post('/login', async (request) => ({ token: request.body.name }))
fastify.listen({ port: 3000 })
"""


def _package(name: str, *packages: str, more: str = "") -> bytes:
    listed = ", ".join(f'"{item}": "*"' for item in packages)
    return f'{{"name": "{name}", {more}"dependencies": {{{listed}}}}}\n'.encode()


def _compose(**folders: str) -> bytes:
    services = "".join(f"  {name}:\n    build: ./{path}\n" for name, path in folders.items())
    return f"services:\n{services}".encode()


SHAPES: dict[str, Shape] = {
    "apps and services": Shape(
        files={
            "apps/web/package.json": b'{"name": "web", "scripts": {"dev": "vite --port 4100"},'
            b' "devDependencies": {"vite": "5.4.0"}}\n',
            "apps/web/index.html": b"<div id=app></div>\n",
            "apps/gate/package.json": _package("gate", "express", "cors"),
            "apps/gate/src/index.js": _EXPRESS,
            "services/tides/main.py": _FASTAPI,
            "services/tides/requirements.txt": b"fastapi\nuvicorn\n",
            "services/tides/Dockerfile": _RECIPE,
            "docker-compose.yml": _compose(gate="apps/gate", tides="services/tides"),
        },
        mended=("apps/gate/src/index.js", "services/tides/main.py", "docker-compose.yml"),
    ),
    "NestJS": Shape(
        files={
            "package.json": _package("gate", "@nestjs/core", "@nestjs/common"),
            "src/main.ts": _NEST_MAIN,
            "src/gate.controller.ts": _NEST_LOGIN,
        },
        told=("src/main.ts", "src/gate.controller.ts"),
    ),
    "Fastify": Shape(
        files={
            "gate/package.json": _package("gate", "fastify", "@fastify/cors"),
            "gate/index.js": _FASTIFY,
        },
        told=("gate/index.js",),
    ),
    "ES modules": Shape(
        files={
            "tides/package.json": _package("tides", "express", "cors", more='"type": "module", '),
            "tides/src/index.js": _ESM,
        },
        mended=("tides/src/index.js",),
    ),
    "Starlette with a list of middleware": Shape(
        files={"tides/main.py": _BY_LIST, "tides/requirements.txt": b"starlette\nuvicorn\n"},
        mended=("tides/main.py",),
    ),
    "mounted applications": Shape(
        files={
            "tides/main.py": _MOUNTING,
            "tides/admin.py": _MOUNTED,
            "tides/requirements.txt": b"fastapi\n",
        },
        mended=("tides/main.py", "tides/admin.py"),
    ),
    "settings object": Shape(
        files={
            "tides/main.py": _BY_SETTINGS,
            "tides/settings.py": _SETTINGS,
            "tides/requirements.txt": b"fastapi\npydantic-settings\n",
        },
        mended=("tides/main.py",),
    ),
    "keywords in a dictionary": Shape(
        files={"tides/main.py": _BY_KEYWORDS, "tides/requirements.txt": b"fastapi\n"},
        mended=("tides/main.py",),
    ),
    "pnpm workspace": Shape(
        files={
            "pnpm-workspace.yaml": b"packages:\n  - packages/*\n",
            "pnpm-lock.yaml": b"lockfileVersion: '9.0'\n",
            "package.json": b'{"name": "root", "private": true}\n',
            "packages/tides/package.json": _package("tides", "express", "cors"),
            "packages/tides/tsconfig.json": b'{"compilerOptions": {"strict": true}}\n',
            "packages/tides/src/index.ts": _TYPED,
        },
        mended=("packages/tides/src/index.ts",),
    ),
    "single FastAPI service at the root": Shape(
        files={
            "main.py": _FASTAPI,
            "requirements.txt": b"fastapi\nuvicorn\n",
            "Dockerfile": _RECIPE,
            "docker-compose.yml": b"services:\n  tides:\n    build: .\n    environment:\n"
            b"      LEVEL: debug\n",
        },
        mended=("main.py", "Dockerfile", "docker-compose.yml"),
    ),
    "single Express service at the root": Shape(
        files={"package.json": _package("gate", "express", "cors"), "src/index.js": _EXPRESS},
        mended=("src/index.js",),
    ),
    "CRLF throughout": Shape(
        files={path: content.replace(b"\n", b"\r\n") for path, content in SHOP.items()},
        mended=("services/api/app/main.py", "services/auth/src/index.js", "docker-compose.yml"),
    ),
}
