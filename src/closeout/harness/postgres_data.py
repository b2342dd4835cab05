"""Make the data folder of a throw-away PostgreSQL: by initdb, or from a copy of an earlier one."""

from __future__ import annotations

import hashlib
import pwd
import shutil
from collections.abc import Sequence
from pathlib import Path

from closeout import process
from closeout.process import scratch

ROLE = "closeout"

_SECONDS = 60.0


def initialise(
    programs: Path,
    data: Path,
    password: str,
    *,
    user: pwd.struct_passwd | None = None,
    templates: Path | None = None,
) -> str:
    """Make `data` with the superuser ROLE, and return "" or what went wrong.

    `user` is the account that owns it where root runs us. `templates` is a folder in which a
    cluster is kept for the next time, which takes a quarter of initdb's time; its password is
    thrown away, and each copy gets its own.
    """
    uid = None if user is None else user.pw_uid
    template = None if templates is None else templates / _key(programs, uid)
    if template is not None and _copied(template, data):
        problem = _with_password(programs, data, password, uid)
        if not problem:
            return ""
        # What was kept is of no use; the next time it is made anew.
        shutil.rmtree(template, ignore_errors=True)
        shutil.rmtree(data)
    problem = _initdb(programs, data, password, user)
    if template is not None and not problem:
        _keep(data, template)
    return problem


def _key(programs: Path, uid: int | None) -> str:
    version = process.run([programs / "postgres", "--version"]).out
    digest = hashlib.sha256(f"{programs}\0{version}\0{uid}".encode()).hexdigest()
    return f"postgres-{digest[:32]}"


def _copied(source: Path, target: Path) -> bool:
    """Return whether the cluster could be copied, owner and modes included."""
    if not source.is_dir():
        return False
    made = process.run(["cp", "-a", source, target], deadline=_SECONDS)
    if not made.ok:
        shutil.rmtree(target, ignore_errors=True)
    return made.ok


def _keep(data: Path, template: Path) -> None:
    template.parent.mkdir(parents=True, exist_ok=True)
    with scratch.folder("postgres", template.parent) as partial:
        if _copied(data, partial / "data"):
            try:
                (partial / "data").rename(template)
            except OSError:
                # Another process has kept an equal one meanwhile.
                return


def _with_password(programs: Path, data: Path, password: str, uid: int | None) -> str:
    argv: Sequence[str | Path] = [programs / "postgres", "--single", "-D", data, "postgres"]
    statement = f"ALTER ROLE {ROLE} PASSWORD '{password}'\n".encode()
    made = process.run(argv, cwd=data, stdin=statement, deadline=_SECONDS, user=uid)
    wrong = "ERROR" in made.out + made.err or not made.ok
    return (made.err or made.out or "no output") if wrong else ""


def _initdb(programs: Path, data: Path, password: str, user: pwd.struct_passwd | None) -> str:
    secret = data.with_name("password")
    secret.touch(mode=0o600)
    secret.write_text(password)
    if user is not None:
        shutil.chown(secret, user.pw_uid, user.pw_gid)
    argv: Sequence[str | Path] = [
        programs / "initdb",
        f"--pgdata={data}",
        f"--username={ROLE}",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--no-sync",
    ]
    uid = None if user is None else user.pw_uid
    made = process.run(argv, cwd=data.parent, deadline=_SECONDS, user=uid)
    secret.unlink()
    return "" if made.ok else made.err or made.out or "no output"
