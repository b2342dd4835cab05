"""Services of shapes that the order did not have in mind; what they export is the real ones'."""

from pathlib import Path, PurePosixPath

from closeout.fs.tree import DiskTree
from closeout.resources import BUNDLE

_FOLDER = Path(__file__).with_name("foreign")
_PACKAGE = ("package.json", "package-lock.json", "tsconfig.json")


SCRIPT = b"""\
import urllib.request

def test_health():
    return urllib.request.urlopen("http://localhost:8000/health").status == 200

if __name__ == "__main__":
    print(test_health())
"""
"""Named as a test, and none: it asks a service that runs, and asserts nothing."""


def files(service: PurePosixPath) -> dict[str, bytes]:
    """Return the service of `foreign/` as path text to bytes, a Node one with our own packages.

    They are the reference service's, so that a session installs them once for both.
    """
    tree = DiskTree(_FOLDER / service)
    found = {f"{service}/{path}": tree.read(path) for path in tree.paths()}
    if service.parts[0] == "cloud-layer":
        reference = BUNDLE / "reference" / "farmiq" / service
        found |= {f"{service}/{name}": (reference / name).read_bytes() for name in _PACKAGE}
    else:
        found[f"{service}/test_service.py"] = SCRIPT
    return found
