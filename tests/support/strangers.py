"""Small repositories that have nothing to do with the order's own monorepo."""

from __future__ import annotations

_MAIN = b"""from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI(title="Shop")
app.add_middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_credentials=True,
    allow_methods=["*"],
    allow_headers=["*"],
)


@app.get("/health")
def health() -> dict[str, str]:
    return {"status": "ok"}


@app.get("/items")
def items() -> list[str]:
    return ["tea"]
"""
_DOCKERFILE = b"""FROM python:3.11-slim
WORKDIR /app
COPY requirements.txt .
RUN pip install -r requirements.txt
COPY app app
CMD ["uvicorn", "app.main:app", "--host", "0.0.0.0", "--port", "8000"]
"""
_PACKAGE = b"""{
  "name": "auth",
  "version": "1.0.0",
  "private": true,
  "main": "src/index.js",
  "scripts": {
    "start": "node src/index.js"
  },
  "dependencies": {
    "cors": "2.8.5",
    "express": "4.21.2"
  }
}
"""
_INDEX = b"""const express = require('express')
const cors = require('cors')

const app = express()
app.use(cors())
app.use(express.json())

app.get('/health', (req, res) => res.json({ status: 'ok' }))

app.post('/login', (req, res) => {
  const { email, password } = req.body
  if (email !== 'a@shop.example' || password !== process.env.LOGIN_PASSWORD) {
    return res.status(401).json({ error: 'wrong' })
  }
  res.json({ token: 'x' })
})

app.listen(Number(process.env.PORT || 3000))
"""
_COMPOSE = b"""services:
  api:
    build: ./services/api
    ports: ["8000:8000"]
  auth:
    build: ./services/auth
    ports: ["3000:3000"]
    environment:
      PORT: "3000"
      LOGIN_PASSWORD: ${LOGIN_PASSWORD:-changeme}
"""

SHOP = {
    "services/api/app/__init__.py": b"",
    "services/api/app/main.py": _MAIN,
    "services/api/requirements.txt": b"fastapi==0.115.6\nuvicorn==0.34.0\n",
    "services/api/Dockerfile": _DOCKERFILE,
    "services/auth/package.json": _PACKAGE,
    "services/auth/src/index.js": _INDEX,
    "docker-compose.yml": _COMPOSE,
}
"""A FastAPI service, an Express service that signs users in, and a compose file."""
