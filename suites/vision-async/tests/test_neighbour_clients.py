"""The clients of other services: what each asks over HTTP, and what ends a call."""

import asyncio
import importlib
import sys
from types import SimpleNamespace

import pytest

from app.config import Config

API = "http://neighbour:1/api/v1"


class Client:
    """What httpx's client is to its callers: it keeps every request."""

    asked = []
    refusal = None

    def __init__(self, timeout):
        assert timeout > 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None

    def __getattr__(self, method):
        async def ask(url, **more):
            for field, (name, content, kind) in more.get("files", {}).items():
                more["files"][field] = (name, content.read(), kind)
            Client.asked.append(SimpleNamespace(method=method, url=url, **more))
            return SimpleNamespace(raise_for_status=self.check, json=lambda: {"data": {"id": 1}})

        return ask

    @staticmethod
    def check():
        if Client.refusal:
            raise Client.refusal


@pytest.fixture
def load(monkeypatch):
    """Return a function that imports a client anew, where the neighbour's address is known."""
    Client.asked, Client.refusal = [], None

    def made(name, address="http://neighbour:1/"):
        for setting in ("IMAGE_SERVICE_URL", "PREDICTION_DB_SERVICE_URL"):
            monkeypatch.setattr(Config, setting, address, raising=False)
        monkeypatch.delitem(sys.modules, f"app.services.{name}", raising=False)
        module = importlib.import_module(f"app.services.{name}")
        monkeypatch.setattr(module.httpx, "AsyncClient", Client, raising=False)
        return module

    return made


@pytest.mark.parametrize(
    ("call", "given", "method", "path"),
    [
        ("create_prediction_run", ({"a": 1},), "post", "/predictions"),
        ("update_prediction_run", (7, {"a": 1}), "put", "/predictions/runs/7"),
        ("create_well_predictions", (7, [{"a": 1}]), "post", "/predictions/7/wells"),
        ("create_row_counts", (7, {"a": 1}), "post", "/predictions/7/counts"),
        ("create_inference_results", (7, {"a": 1}), "post", "/predictions/7/results"),
        ("get_prediction_run", (7,), "get", "/predictions/7"),
    ],
)
def test_asks_the_service_of_predictions(load, call, given, method, path):
    service = load("db_service").DatabaseService()

    assert asyncio.run(getattr(service, call)(*given)) == {"data": {"id": 1}}
    (request,) = Client.asked
    assert (request.method, request.url) == (method, f"{API}{path}")
    body = getattr(request, "json", None)
    assert body in ({"a": 1}, {"predictions": [{"a": 1}]}) if method != "get" else body is None


@pytest.mark.parametrize(
    ("call", "given", "method", "path"),
    [
        ("create_image_file", ({"a": 1},), "post", "/image-files"),
        ("get_image_file", (7,), "get", "/image-files/7"),
        ("get_image_files_by_run_id", (7,), "get", "/image-files/run/7"),
        ("get_image_files_by_sample_no", ("s",), "get", "/image-files/sample/s"),
        ("update_image_file", (7, {"a": 1}), "put", "/image-files/7"),
        ("delete_image_file", (7,), "delete", "/image-files/7"),
        ("delete_image_files_by_run_id", (7,), "delete", "/image-files/run/7"),
    ],
)
def test_asks_the_service_of_images(load, call, given, method, path):
    service = load("image_service").ImageService()

    assert asyncio.run(getattr(service, call)(*given)) == {"data": {"id": 1}}
    (request,) = Client.asked
    assert (request.method, request.url) == (method, f"{API}{path}")
    assert getattr(request, "json", None) == ({"a": 1} if {"a": 1} in given else None)


def test_passes_the_callers_token_on(load):
    service = load("image_service").ImageService()
    asyncio.run(service.create_image_file({}, "token"))
    asyncio.run(service.create_image_file({}))

    assert Client.asked[0].headers["Authorization"] == "Bearer token"
    assert Client.asked[1].headers == {}


@pytest.mark.parametrize(
    ("name", "service", "call", "given"),
    [
        ("db_service", "DatabaseService", "get_prediction_run", (7,)),
        ("image_service", "ImageService", "get_image_file", (7,)),
    ],
)
def test_passes_a_refusal_on(load, name, service, call, given):
    made = getattr(load(name), service)()
    Client.refusal = RuntimeError("404")

    with pytest.raises(RuntimeError, match="404"):
        asyncio.run(getattr(made, call)(*given))


def test_says_of_its_neighbour_that_it_is_ill(load):
    service = load("db_service").DatabaseService()
    assert asyncio.run(service.health_check()) == {"data": {"id": 1}}

    Client.refusal = RuntimeError("no route")
    assert asyncio.run(service.health_check()) == {"status": "unhealthy", "error": "no route"}


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("db_service", "DatabaseService"),
        ("image_service", "ImageService"),
        ("image_uploader_service", "ImageUploaderService"),
    ],
)
def test_does_not_begin_without_its_neighbours_address(load, name, service):
    with pytest.raises(RuntimeError, match="_URL is not configured"):
        getattr(load(name, ""), service)()


UPLOAD = {"sample_no": "s", "run_id": 7, "file_type": "raw"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.jpg", "image/jpeg"),
        ("a.PNG", "image/png"),
        ("a.webp", "image/webp"),
        ("a.tif", "image/tiff"),
        ("a.tiff", "image/tiff"),
    ],
)
def test_sends_a_picture_as_what_it_is(load, picture, name, kind):
    uploader = load("image_uploader_service").ImageUploaderService()
    made = uploader.upload_image(**UPLOAD, file_path=str(picture(3, name)))

    assert asyncio.run(made) == {"data": {"id": 1}}
    (request,) = Client.asked
    assert (request.method, request.url) == ("post", f"{API}/images")
    assert request.data == {"sample_no": "s", "run_id": "7", "file_type": "raw", "description": ""}
    assert request.files == {"file": (name, b"xxx", kind)}
    assert request.headers == {}


def test_sends_a_picture_in_the_callers_name(load, picture):
    uploader = load("image_uploader_service").ImageUploaderService()
    more = {"description": "barn 1", "jwt_token": "token"}
    asyncio.run(uploader.upload_image(**UPLOAD, file_path=str(picture(3)), **more))

    assert Client.asked[0].headers == {"Authorization": "Bearer token"}
    assert Client.asked[0].data["description"] == "barn 1"


def test_sends_no_picture_that_is_not_there(load, tmp_path):
    uploader = load("image_uploader_service").ImageUploaderService()

    with pytest.raises(FileNotFoundError, match=r"gone\.jpg"):
        asyncio.run(uploader.upload_image(**UPLOAD, file_path=str(tmp_path / "gone.jpg")))
    assert Client.asked == []


def test_sends_no_picture_of_another_kind(load, picture):
    uploader = load("image_uploader_service").ImageUploaderService()
    asked = {**UPLOAD, "file_type": "sketch", "file_path": str(picture(3))}

    with pytest.raises(ValueError, match="thumbnail"):
        asyncio.run(uploader.upload_image(**asked))
    assert Client.asked == []
