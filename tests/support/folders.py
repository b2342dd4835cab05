"""Look at folders that a run writes, and end such a run at any of its writes."""

import os
import signal
from collections.abc import Callable
from pathlib import Path


def everything(folder: Path) -> dict[str, bytes]:
    """Return every file's bytes."""
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def killed(act: Callable[[], object], point: int) -> bool:
    """Run `act` in a child that SIGKILL ends at its n-th write; return whether it was ended.

    Each write has two points: the draft is on the disk, and the draft has replaced the file.
    """
    child = os.fork()
    if child == 0:
        left = [point]
        real_fsync, real_replace = os.fsync, os.replace

        def reached() -> None:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def fsync(handle: int) -> None:
            real_fsync(handle)
            reached()

        def replace(
            draft: Path | str,
            place: Path | str,
            *,
            src_dir_fd: int | None = None,
            dst_dir_fd: int | None = None,
        ) -> None:
            real_replace(draft, place, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
            reached()

        os.fsync, os.replace = fsync, replace  # type: ignore[assignment]  # it ends
        code = 1
        try:
            act()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)
