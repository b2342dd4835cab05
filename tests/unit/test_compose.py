"""Compose files are read as compose reads them: with their override, strictly."""

import pytest

from closeout.formats import compose_check

BASE = b"""services:
  web:
    image: web:1
    depends_on: [store]
    ports: ["127.0.0.1:5120:80", "5121-5122:81", "${PORT:-5130}:82"]
    volumes: ["./conf:/conf:ro", "data:/data"]
    networks: [inner]
  store:
    build: ./store
volumes:
  data:
networks:
  inner:
"""


def _messages(content: bytes, override: bytes | None = None) -> list[str]:
    return [item.message for item in compose_check.problems(content, override)]


def test_valid_file_has_no_problem() -> None:
    """References, ports and volumes that are declared are left alone."""
    assert _messages(BASE) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (b"    image: web:1\n", b"", "web has neither an image nor a build"),
        (b"[store]", b"[queue]", "the service queue"),
        (b"  data:\n", b"  other:\n", "the volume data"),
        (b"  inner:\n", b"  outer:\n", "the network inner"),
        (b"networks:\n  inner:", b"network:\n  inner:", "no top-level 'network'"),
        (b"  store:\n", b"  web:\n", "'web' stands twice"),
        (b"services:", b"serivces:", "it declares no services"),
        (b'    ports: ["127', b'   ports: ["127', "did not find expected key"),
    ],
)
def test_what_compose_refuses_is_a_problem(old: bytes, new: bytes, told: str) -> None:
    """Each slip that a hand edit makes is told."""
    assert any(told in message for message in _messages(BASE.replace(old, new, 1)))


def test_file_that_is_invalid_alone_is_valid_with_its_override() -> None:
    """Some bases leave an image to the override on purpose."""
    base = BASE.replace(b"    image: web:1\n", b"")
    assert _messages(base, b"services:\n  web:\n    image: web:2\n") == []


def test_two_services_cannot_publish_one_port() -> None:
    """The second service would not start."""
    both = BASE.replace(b"./store\n", b'./store\n    ports: ["5120:90"]\n')
    assert "store publishes port 5120, which is web's" in _messages(both)


def test_merge_key_brings_an_image_along() -> None:
    """A service may take its image from an anchor."""
    text = b"x-base: &base\n  image: a:1\nservices:\n  web:\n    <<: *base\n"
    assert _messages(text) == []


def test_published_ports_name_their_service() -> None:
    """Addresses and defaults in the middle are no part of the port."""
    assert compose_check.published(BASE) == {"5120": "web", "5130": "web"}
    assert compose_check.published(b"services: [\n") == {}
