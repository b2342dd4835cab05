"""The inventory of every service's secret variables."""

from __future__ import annotations

import pytest

from closeout.fs.tree import MemoryTree
from closeout.gaps.external_secrets.inventory import SecretVariable, inventory, services
from closeout.gaps.external_secrets.inventory.names import Origin, is_secret, is_usable

COMPOSE = b"""x-env: &shared
  JWT_SECRET: ${JWT_SECRET:-farmiq-dev-jwt}
services:
  cloud-billing-service:
    build: ./cloud-billing-service
    environment:
      <<: *shared
      DATABASE_URL: postgresql://farmiq:farmiq_dev@postgres:5432/billing
      TOKEN_TTL: 900
      # OLD_SECRET: gone
  llm:
    build:
      context: ./cloud-llm-insights-service
    environment:
      - LLM_API_KEY=${LLM_API_KEY}
      - REDIS_URL=redis://redis:6379
      - KEYCLOAK_HOST=keycloak
  postgres:
    image: postgres:16-alpine
    environment:
      POSTGRES_PASSWORD: farmiq_dev
"""


def _found(files: dict[str, bytes]) -> dict[tuple[str, str], SecretVariable]:
    found = inventory(MemoryTree(files))
    return {(item.service, item.name): item for item in found}


def _one(path: str, content: bytes) -> dict[str, SecretVariable]:
    return {name: item for (_, name), item in _found({path: content}).items()}


@pytest.mark.parametrize(
    "name",
    [
        "JWT_SECRET",
        "DEVICE_FACTORY_SECRET",
        "POSTGRES_PASSWORD",
        "RABBITMQ_DEFAULT_PASS",
        "VAULT_TOKEN",
        "LLM_API_KEY",
        "API_KEYS",
        "SENTRY_DSN",
        "DATABASE_URL",
        "DATABASE_URL_2",
        "DATABASE_URL_SYNC",
        "MONGODB_URI",
        "AWS_ACCESS_KEY_ID",
        "SIGNING_KEY_PREVIOUS",
        "AZURE_STORAGE_CONNECTION_STRING",
        "TWITCH_STREAM_KEY",
    ],
)
def test_is_secret_says_yes_when_the_last_word_tells(name: str) -> None:
    """Names that hold a credential are secrets."""
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "PUBLIC_KEY",
        "JWT_PUBLIC_KEY_PATH",
        "TOKEN_TTL",
        "KEYCLOAK_HOST",
        "PASSWORD_MIN_LENGTH",
        "JWT_SECRET_FILE",
        "JWT_EXPIRES_IN",
        "MAX_TOKENS",
        "NEXT_PUBLIC_MAP_KEY",
        "CORS_ALLOW_CREDENTIALS",
        "ROUTING_KEY",
        "ORDERS_STREAM_KEY",
        "DEAD_LETTER_QUEUE_KEY",
        "CLOUD_INGESTION_URL",
        "REDIS_URL",
        "TOKEN_URL",
        "MONKEY",
        "jwtSecret",
    ],
)
def test_is_secret_says_no_when_the_name_only_resembles_one(name: str) -> None:
    """Near misses: paths, lifetimes, hosts, public keys and plain addresses."""
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("name", "value", "usable"),
    [
        ("JWT_SECRET", "farmiq-dev", True),
        ("JWT_SECRET", "", False),
        ("JWT_SECRET", "<generate-one>", False),
        ("JWT_SECRET", "change-me-in-production", False),
        ("JWT_SECRET", "${JWT_SECRET:?}", False),
        ("DATABASE_URL", "postgresql://a:b@c/d", True),
        ("DATABASE_URL", "postgresql://a:${PASSWORD}@c/d", False),
        ("DATABASE_URL", "postgresql://a:<password>@c/d", False),
        ("DATABASE_URL", "postgresql://localhost/d", False),
        ("MAIL_API_KEY", "sk-xxx", False),
        ("MAIL_API_KEY", "sk_live_...", False),
        ("MAIL_API_KEY", "sk-Xxx4f9c2b7a51d8", True),
    ],
)
def test_is_usable_tells_a_value_from_a_placeholder(name: str, value: str, *, usable: bool) -> None:
    """Only a value that would work as the secret counts as written there."""
    assert is_usable(name, value) is usable


def test_inventory_reads_both_forms_when_compose_sets_the_environment() -> None:
    """Maps, lists, merged maps and build contexts are followed to the service's folder."""
    found = _found(
        {
            "cloud-layer/docker-compose.yml": COMPOSE,
            "cloud-layer/cloud-billing-service/package.json": b"{}",
            "cloud-layer/cloud-llm-insights-service/requirements.txt": b"",
        }
    )
    assert sorted(found) == [
        ("cloud-billing-service", "DATABASE_URL"),
        ("cloud-billing-service", "JWT_SECRET"),
        ("cloud-llm-insights-service", "LLM_API_KEY"),
        ("cloud-postgres", "POSTGRES_PASSWORD"),
    ]
    shared = found["cloud-billing-service", "JWT_SECRET"]
    assert (shared.literal, shared.fallback, shared.places[0].line) == (False, True, 2)
    assert found["cloud-billing-service", "DATABASE_URL"].literal
    assert not found["cloud-llm-insights-service", "LLM_API_KEY"].literal


def test_inventory_reads_an_env_example_when_lines_end_in_crlf() -> None:
    """Values keep no carriage return, and commented lines are no variables."""
    found = _one(
        "cloud-layer/a/.env.example",
        b"\xef\xbb\xbfJWT_SECRET=<generate>\r\n# OLD_SECRET=\r\nexport SMTP_PASSWORD='abc'\r\n",
    )
    assert {name: item.literal for name, item in found.items()} == {
        "JWT_SECRET": False,
        "SMTP_PASSWORD": True,
    }


def test_inventory_reads_a_chart_when_secrets_are_keys_or_items() -> None:
    """Helm values name secrets as keys in capitals or as items with a name."""
    found = _one(
        "cloud-layer/a/helm/values.yaml",
        b"secretEnv:\n  JWT_SECRET: {key: jwt}\nextraEnv:\n  - name: VAULT_TOKEN\n    value: root\n"
        b"  - name: LOG_LEVEL\n    value: info\n",
    )
    assert {name: item.literal for name, item in found.items()} == {
        "JWT_SECRET": False,
        "VAULT_TOKEN": True,
    }


def test_inventory_reads_typescript_when_process_env_is_used() -> None:
    """Every form of reading counts; comments, strings and writes do not."""
    found = _one(
        "cloud-layer/a/src/index.ts",
        b"// process.env.COMMENTED_SECRET\n"
        b"const text = 'process.env.QUOTED_SECRET';\n"
        b"const one = process.env.JWT_SECRET || 'dev-secret';\n"
        b"const two = process.env['VAULT_TOKEN']!;\n"
        b"const { SMTP_PASSWORD, API_KEY: key = 'abc' } = process.env;\n"
        b"process.env.WRITTEN_SECRET = 'x';\n"
        b"const need = (name: string) => process.env[name];\n"
        b"need('SESSION_SECRET');\n"
        b"const url = `http://${process.env.URL_PASSWORD}`;\n"
        b"const mail = (process.env.MAIL_PASSWORD satisfies string) || 'abc';\n"
        b"const made = process.env.HASH_SECRET || `a${url}`;\n",
    )
    assert {name: item.fallback for name, item in found.items()} == {
        "API_KEY": True,
        "HASH_SECRET": False,
        "JWT_SECRET": True,
        "MAIL_PASSWORD": True,
        "SESSION_SECRET": False,
        "SMTP_PASSWORD": False,
        "URL_PASSWORD": False,
        "VAULT_TOKEN": False,
    }
    assert found["JWT_SECRET"].places[0].line == 3


def test_inventory_reads_python_when_the_environment_is_asked() -> None:
    """getenv, environ and settings classes count; comments, strings and writes do not."""
    found = _one(
        "edge-layer/a/app/config.py",
        b"import os\n# os.getenv('COMMENTED_SECRET')\nTEXT = \"os.getenv('QUOTED_SECRET')\"\n"
        b"A = os.getenv('JWT_SECRET', 'dev')\nB = os.environ['DATABASE_URL']\n"
        b"C = os.environ.get('LLM_API_KEY')\nos.environ['WRITTEN_SECRET'] = 'x'\n"
        b"class Settings(BaseSettings):\n"
        b"    model_config = SettingsConfigDict(env_prefix='EDGE_')\n"
        b"    mqtt_password: str = 'edge'\n    other: str = Field('', alias='HMAC_SECRET')\n",
    )
    assert {name: item.fallback for name, item in found.items()} == {
        "DATABASE_URL": False,
        "EDGE_MQTT_PASSWORD": True,
        "HMAC_SECRET": False,
        "JWT_SECRET": True,
        "LLM_API_KEY": False,
    }


def test_inventory_reads_schemas_when_prisma_or_dbt_name_a_variable() -> None:
    """A Prisma datasource and a dbt profile read the environment too."""
    found = _found(
        {
            "cloud-layer/a/prisma/schema.prisma": b'  url = env("DATABASE_URL")\n',
            "cloud-layer/b/profiles.yml": b"password: \"{{ env_var('DBT_PASSWORD') }}\"\n",
        }
    )
    assert sorted(found) == [("a", "DATABASE_URL"), ("b", "DBT_PASSWORD")]


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("cloud-layer/a/tests/auth.test.ts", b"process.env.JWT_SECRET"),
        ("cloud-layer/a/src/auth.spec.ts", b"process.env.JWT_SECRET"),
        ("cloud-layer/a/tests/conftest.py", b"import os\nos.environ['JWT_SECRET']\n"),
        ("docs/secrets.md", b"JWT_SECRET=abc"),
        ("cloud-layer/a/app.py", b"import os\nos.getenv('JWT_SECRET'\n"),
        ("cloud-layer/docker-compose.yml", b"services:\n  a: [environment\n"),
    ],
)
def test_inventory_finds_nothing_when_the_file_is_no_source(path: str, content: bytes) -> None:
    """Tests, documents and files that do not parse name no variable, and raise nothing."""
    assert _found({path: content}) == {}


def test_inventory_keeps_no_value_when_a_literal_is_found() -> None:
    """Nothing that prints an inventory can print a secret."""
    found = inventory(MemoryTree({"cloud-layer/docker-compose.yml": COMPOSE}))
    assert "farmiq_dev" not in repr(found)
    assert {place.origin for item in found for place in item.places} == {Origin.COMPOSE}


def test_services_lists_folders_when_files_lie_beside_them() -> None:
    """A file that lies in a layer itself is no service."""
    tree = MemoryTree({"cloud-layer/a/x": b"", "cloud-layer/readme": b"", "docs/b/c": b""})
    assert services(tree) == {"a"}
