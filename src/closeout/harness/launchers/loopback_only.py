"""Run a command where no network is but a loopback of its own; `offline` starts this as a script.

It needs nothing but the standard library, so that it starts fast under `python -I -S`.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

REFUSED = 125
"""The exit code where the system does not let us leave its network."""

_NEW_USER = 0x10000000
_NEW_NETWORK = 0x40000000
_GET_FLAGS = 0x8913
_SET_FLAGS = 0x8914
_UP = 0x1
_REQUEST = "16sH14x"


def main(argv: list[str]) -> None:
    """Leave the network and become `argv`; exits with REFUSED where the system refuses."""
    try:
        _leave()
        _raise_loopback()
    except (OSError, AttributeError) as error:
        print(f"the network cannot be left: {error}", file=sys.stderr)  # noqa: T201 - a script
        sys.exit(REFUSED)
    os.execvp(argv[0], argv)  # noqa: S606 - becoming the command is what this script is for


def _leave() -> None:
    unshare = ctypes.CDLL(None, use_errno=True).unshare
    if unshare(_NEW_NETWORK) == 0:
        return
    # An ordinary user has to be master of a user namespace first, under the same number.
    user, group = os.geteuid(), os.getegid()
    if unshare(_NEW_USER | _NEW_NETWORK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        answer = fcntl.ioctl(handle, _GET_FLAGS, struct.pack(_REQUEST, b"lo", 0))
        flags = struct.unpack(_REQUEST, answer)[1] | _UP
        fcntl.ioctl(handle, _SET_FLAGS, struct.pack(_REQUEST, b"lo", flags))


if __name__ == "__main__":
    main(sys.argv[1:])
