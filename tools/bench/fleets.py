"""Issue device certificates for a fleet, beside the order's openssl commands once a device."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from closeout import process

SIZES = (100, 10_000)
_DEADLINE = 1800.0
_ISSUE = (
    "import resource, sys, time; from pathlib import Path\n"
    "from closeout.gaps.mqtt_tls import certificates\n"
    "began = time.monotonic()\n"
    "names = (f'device-{number}' for number in range(int(sys.argv[2])))\n"
    "count = sum(1 for _ in certificates.issue_clients(Path(sys.argv[1]), names))\n"
    "print(count, time.monotonic() - began,"
    " resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
)
_OPENSSL = (
    "openssl genrsa -out ca.key 4096 && openssl req -x509 -new -nodes -key ca.key -sha256"
    " -days 3650 -out ca.crt -subj /CN=bench && for device in $(seq {count}); do"
    " openssl genrsa -out $device.key 2048 && openssl req -new -key $device.key"
    " -out $device.csr -subj /CN=$device && openssl x509 -req -in $device.csr -CA ca.crt"
    " -CAkey ca.key -CAcreateserial -out $device.crt -days 365 -sha256 || exit 1; done"
)


def compared() -> Iterator[str]:
    """Yield the lines of the comparison: seconds, peak memory, and the ratio for the small fleet.

    The large fleet is ours alone: the peer's time grows with the devices, and it would take long.
    """
    small, large = SIZES
    with tempfile.TemporaryDirectory(prefix="closeout-bench-") as scratch:
        home = Path(scratch)
        seconds, memory = _issued(home / "small", small)
        (home / "peer").mkdir()
        script = _OPENSSL.format(count=small)
        peer = process.run(["sh", "-c", script], cwd=home / "peer", deadline=_DEADLINE)
        yield f"issue {small} device certificates / the order's openssl commands once a device"
        if peer.ok:
            ratio = f"{seconds / peer.seconds:.3f}"
            yield f"  wall ours {seconds:.2f} s, peer {peer.seconds:.2f} s, ratio {ratio}"
        else:
            yield f"  wall ours {seconds:.2f} s; the peer ended with {peer.code}"
        more, peak = _issued(home / "large", large)
        yield f"  {large} devices {more:.1f} s; peak {peak:.0f} MiB, {memory:.0f} MiB for {small}"


def _issued(folder: Path, count: int) -> tuple[float, float]:
    """Return wall seconds and peak MiB of a process that issues `count` certificates."""
    argv = [sys.executable, "-c", _ISSUE, str(folder), str(count)]
    ended = process.run(argv, deadline=_DEADLINE)
    if not ended.ok:
        message = f"issuing ended with {ended.code}: {ended.err.strip()[-300:]}"
        raise RuntimeError(message)
    made, seconds, memory = ended.out.split()
    if int(made) != count:
        message = f"{made} certificates instead of {count}"
        raise RuntimeError(message)
    return float(seconds), float(memory)
