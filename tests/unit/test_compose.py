"""Compose files are read as compose reads them: with their override, strictly."""

from pathlib import PurePosixPath

import pytest

from closeout.formats import compose, compose_check

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


def _service(text: bytes) -> compose.ComposeService:
    path = PurePosixPath("infra/docker-compose.yml")
    (service,) = compose.read(path, b"services:\n  web:\n" + text)
    return service


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        (b'"5120:80"', ("", "5120", "5120", "80", "tcp")),
        (b'"127.0.0.1:5120:80/udp"', ("127.0.0.1", "5120", "5120", "80", "udp")),
        (b'"[::1]:5120:80"', ("[::1]", "5120", "5120", "80", "tcp")),
        (b'"${PORT:-5120}:80"', ("", "${PORT:-5120}", "5120", "80", "tcp")),
        (b'"${HOST:-::}:5120:80"', ("${HOST:-::}", "5120", "5120", "80", "tcp")),
        (b'"5120-5121:80-81"', ("", "5120-5121", "", "80-81", "tcp")),
        (b"{target: 80, published: 1, host_ip: 10.0.0.1}", ("10.0.0.1", "1", "1", "80", "tcp")),
        (
            b'"${HOST:-${ANY:-::}}:${PORT:-${USUAL:-81}}:80"',
            ("${HOST:-${ANY:-::}}", "${PORT:-${USUAL:-81}}", "81", "80", "tcp"),
        ),
    ],
)
def test_port_is_read_in_every_form(written: bytes, parts: tuple[str, ...]) -> None:
    """The colon of a variable's default divides nothing."""
    (port,) = _service(b"    ports:\n      - " + written + b"\n").ports
    assert (port.host, port.published, port.number, port.target, port.protocol) == parts


@pytest.mark.parametrize("written", [b'"80"', b'"127.0.0.1::80"', b"{target: 80}"])
def test_port_that_compose_chooses_is_left_out(written: bytes) -> None:
    """Nobody can rely on it."""
    assert _service(b"    ports:\n      - " + written + b"\n").ports == ()


@pytest.mark.parametrize(
    ("written", "source", "volume"),
    [
        (b"./conf:/data:ro", "infra/conf", ""),
        (b"../conf:/data", "conf", ""),
        (b"data:/data", None, "data"),
        (b"${CONF:-./conf}:/data", None, ""),
        (b"{type: volume, source: data, target: /data}", None, "data"),
        (b"{type: bind, source: ./conf, target: /data}", "infra/conf", ""),
    ],
)
def test_mount_is_read_in_every_form(written: bytes, source: str | None, volume: str) -> None:
    """A folder of the tree, a named volume, or something that cannot be told."""
    (mount,) = _service(b"    volumes:\n      - " + written + b"\n").mounts
    assert mount.source == (PurePosixPath(source) if source else None)
    assert (mount.volume, mount.target) == (volume, PurePosixPath("/data"))


@pytest.mark.parametrize(
    ("written", "build", "folder"),
    [
        (b"build: ./svc", "infra/svc", "infra/svc"),
        (b"build: {context: ../cloud/svc}", "cloud/svc", "cloud/svc"),
        (b"build: .", "infra", "infra"),
        (b"image: web:1", None, "infra/web"),
        (b"build: /srv/web", None, "/srv/web"),
    ],
)
def test_service_knows_its_folder(written: bytes, build: str | None, folder: str) -> None:
    """A context that climbs out of its folder is followed inside of the tree."""
    service = _service(b"    " + written + b"\n")
    assert service.build == (PurePosixPath(build) if build else None)
    assert service.folder == PurePosixPath(folder)


def test_own_variable_goes_before_a_merged_one() -> None:
    """As compose itself takes it; a name that is handed on has no text."""
    text = b"x-all: &all {A: old, B: '2'}\nservices:\n  web:\n    environment:\n"
    text += b"      <<: *all\n      A: new\n      C:\n"
    (service,) = compose.read(PurePosixPath("compose.yml"), text)
    assert service.variables == {"A": "new", "B": "2", "C": ""}
