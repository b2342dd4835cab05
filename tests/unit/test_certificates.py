"""Development certificates: strict profile, private keys, nothing valid is overwritten."""

from __future__ import annotations

import gc
import os
import ssl
import stat
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from closeout import process
from closeout.console import output
from closeout.errors import CloseoutError, ExitCode
from closeout.formats.x509 import names_of, read_certificate, signed_by
from closeout.fs import codec, lock, recovery
from closeout.fs.walk import JOURNAL
from closeout.gaps.mqtt_tls import certificates
from closeout.gaps.mqtt_tls.certificates import State
from closeout.gaps.mqtt_tls.certificates import tasks as certs
from closeout.gaps.mqtt_tls.certificates.secretfiles import REHEARSAL
from tests.support.folders import everything, killed

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with freshly issued certificates."""
    path = tmp_path / "certs"
    certificates.issue(path, now=NOW)
    return path


def test_issue_writes_a_strict_leaf_when_the_folder_is_new(folder: Path) -> None:
    """The server's certificate is version 3 with every name, and lives at most 365 days."""
    made = x509.load_pem_x509_certificate((folder / "broker" / "server.crt").read_bytes())
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert made.version is x509.Version.v3
    assert {"edge-mqtt-broker", "localhost"} <= set(names.get_values_for_type(x509.DNSName))
    assert {str(ip) for ip in names.get_values_for_type(x509.IPAddress)} == {"127.0.0.1", "::1"}
    assert made.extensions.get_extension_for_class(x509.KeyUsage).critical
    assert made.not_valid_after_utc - made.not_valid_before_utc <= timedelta(days=365)


@pytest.mark.parametrize("host", ["localhost", "edge-mqtt-broker", "127.0.0.1"])
def test_issue_satisfies_strict_verification_when_dialled_by_name_or_address(
    tmp_path: Path, host: str
) -> None:
    """A handshake in memory passes OpenSSL's strict checks, with a client certificate."""
    folder = tmp_path / "certs"
    certificates.issue(folder)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(folder / "broker" / "server.crt", folder / "broker" / "server.key")
    serving.load_verify_locations(folder / "broker" / "ca.crt")
    serving.verify_mode = ssl.CERT_REQUIRED
    serving.verify_flags |= ssl.VERIFY_X509_STRICT
    dialling = ssl.create_default_context(cafile=str(folder / "broker" / "ca.crt"))
    dialling.verify_flags |= ssl.VERIFY_X509_STRICT
    stem = folder / "clients" / "probe-device"
    dialling.load_cert_chain(stem.with_suffix(".crt"), stem.with_suffix(".key"))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(up, down, server_side=True)
    client = dialling.wrap_bio(down, up, server_hostname=host)
    for _ in range(4):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    peer = server.getpeercert()
    assert peer is not None
    assert peer["subject"] == ((("commonName", "probe-device"),),)


def test_issue_keeps_keys_private_when_the_umask_is_wide(tmp_path: Path) -> None:
    """Keys have mode 0600 whatever the umask, and no draft is left behind."""
    before = os.umask(0)
    try:
        certificates.issue(tmp_path / "certs", now=NOW)
    finally:
        os.umask(before)
    keys = list((tmp_path / "certs").rglob("*.key"))
    assert len(keys) == 4
    assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
    assert not list((tmp_path / "certs").rglob(".*.??????*"))


@pytest.mark.parametrize("umask", [0o027, 0o077, 0o777])
def test_issue_lets_the_broker_read_when_the_umask_is_narrow(tmp_path: Path, umask: int) -> None:
    """Certificates are for everybody; folders that are made on the way can be entered."""
    before = os.umask(umask)
    try:
        certificates.issue(tmp_path / "edge/broker/certs", now=NOW)
    finally:
        os.umask(before)
    modes = {
        str(path.relative_to(tmp_path)): stat.S_IMODE(path.stat().st_mode)
        for path in tmp_path.rglob("*")
    }
    assert {modes[name] for name in ("edge", "edge/broker", "edge/broker/certs")} == {0o755}
    assert {mode for name, mode in modes.items() if name.endswith(".crt")} == {0o644}
    assert {mode for name, mode in modes.items() if name.endswith(".key")} == {0o600}


def test_check_of_a_folder_without_certificates_names_the_command_that_makes_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broker's folder that waits for them holds none; it holds no broken one."""
    (tmp_path / "broker").mkdir()
    (tmp_path / "broker/tls-listener.conf").touch()
    assert certs.look(tmp_path, root="--root farm") is ExitCode.UNPROVEN
    told = capsys.readouterr().out.splitlines()
    assert told == [
        f"{tmp_path} holds no certificate",
        "hint: invoke certs.dev --root farm makes them.",
    ]
    (tmp_path / "broker/server.crt").write_text("x")
    assert certs.look(tmp_path) is ExitCode.GAPS_LEFT
    assert capsys.readouterr().out.splitlines()[-1] == "3 certificates: 3 broken"


def test_check_names_what_is_not_valid_yet(folder: Path) -> None:
    """A clock that was ahead makes certificates that nobody accepts; the next run makes others."""
    earlier = NOW - timedelta(days=400)
    states = certificates.check(folder, now=earlier)
    assert {item.state for item in states} == {State.EARLY}
    assert "valid from 2026-02-28 23:55 UTC" in states[0].detail
    keys = everything(folder)
    certificates.issue(folder, now=earlier)
    assert {item.state for item in certificates.check(folder, now=earlier)} == {State.VALID}
    kept = {name: held for name, held in everything(folder).items() if name.endswith(".key")}
    assert kept == {name: held for name, held in keys.items() if name.endswith(".key")}


def test_certificate_is_valid_from_its_first_moment_on(folder: Path) -> None:
    """Five minutes ahead of its making, for a device whose clock lags."""
    for moment in (NOW - timedelta(minutes=5), NOW):
        assert {item.state for item in certificates.check(folder, now=moment)} == {State.VALID}


@pytest.mark.parametrize("act", ["dev", "fleet", "renew", "rotate"])
def test_task_waits_for_nobody_who_writes_to_the_tree(tmp_path: Path, act: str) -> None:
    """Keys are part of the tree: one writer at a time, and none in a half-written one."""
    (tmp_path / "fleet").write_text("barn-1\n")

    def dev(fleet: str) -> ExitCode:
        return certs.dev(
            tmp_path, root=str(tmp_path), names="", fleet=fleet, force=False, dry_run=False
        )

    acts = {
        "dev": lambda: dev(""),
        "fleet": lambda: dev(str(tmp_path / "fleet")),
        "renew": lambda: certs.renew(tmp_path, root=str(tmp_path)),
        "rotate": lambda: certs.rotate(tmp_path, step="trust", root=str(tmp_path)),
    }
    dev("")
    before = everything(tmp_path)
    go = os.pipe()
    ready = os.pipe()
    child = os.fork()
    if child == 0:
        with lock.held(tmp_path):
            os.write(ready[1], b"x")
            os.read(go[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    try:
        with pytest.raises(CloseoutError) as caught:
            acts[act]()
    finally:
        os.write(go[1], b"x")
        os.waitpid(child, 0)
    assert caught.value.reference == "tree-busy"
    assert everything(tmp_path) == before
    acts[act]()
    (tmp_path / JOURNAL).mkdir()
    (tmp_path / JOURNAL / "journal.json").write_text("{}")
    with pytest.raises(recovery.HalfWrittenError):
        acts[act]()


def test_issue_changes_no_byte_when_everything_is_valid(folder: Path) -> None:
    """A second run keeps all."""
    before = everything(folder)
    report = certificates.issue(folder, now=NOW + timedelta(days=200))
    assert everything(folder) == before
    assert report.written == ()


def test_issue_keeps_the_key_when_a_name_is_new(folder: Path) -> None:
    """A missing name gives a new certificate over the same key."""
    before = everything(folder)
    names = (*certificates.BROKER_NAMES, "10.0.0.7")
    report = certificates.issue(folder, names, now=NOW)
    assert report.written == ("broker/server.crt",)
    after = everything(folder)
    assert [path for path in after if before[path] != after[path]] == [
        str(folder / "broker" / "server.crt")
    ]


def test_renew_signs_what_is_due_when_time_runs_out(folder: Path) -> None:
    """Leaves that are due are signed again over their keys; the authority stays."""
    later = NOW + timedelta(days=350)
    assert State.DUE in {status.state for status in certificates.check(folder, now=later)}
    report = certificates.renew(folder, now=later)
    assert "broker/server.crt" in report.written
    assert "broker/server.key" in report.kept
    assert {status.state for status in certificates.check(folder, now=later)} == {State.VALID}


def test_reissue_replaces_everything_when_asked(folder: Path) -> None:
    """Force makes a new authority, new keys and certificates that fit each other."""
    before = everything(folder)
    certificates.reissue(folder, now=NOW)
    after = everything(folder)
    assert not [path for path in after if before[path] == after[path]]
    assert {status.state for status in certificates.check(folder, now=NOW)} == {State.VALID}


def test_issue_refuses_when_the_authority_is_another(folder: Path, tmp_path: Path) -> None:
    """A foreign authority in the folder is an error, and nothing is overwritten."""
    other = tmp_path / "other"
    certificates.issue(other, now=NOW)
    (folder / "authority" / "ca.crt").write_bytes((other / "authority" / "ca.crt").read_bytes())
    before = everything(folder)
    with pytest.raises(CloseoutError, match="nothing was overwritten"):
        certificates.issue(folder, now=NOW)
    assert everything(folder) == before


def test_issue_refuses_when_a_key_is_readable_by_others(folder: Path) -> None:
    """A key that others could read is named, not used."""
    (folder / "broker" / "server.key").chmod(0o644)
    with pytest.raises(CloseoutError, match="others may read"):
        certificates.issue(folder, now=NOW)
    broken = [s for s in certificates.check(folder, now=NOW) if s.state is State.BROKEN]
    assert [status.path for status in broken] == ["broker/server.crt"]


def test_issue_refuses_when_the_folder_is_a_link(tmp_path: Path) -> None:
    """Keys never leave the tree through a link."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "certs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CloseoutError, match="symbolic link"):
        certificates.issue(tmp_path / "certs", now=NOW)
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("name", ["", "a/b", "#", "+", "../x", "a b", "-x", "x" * 64])
def test_issue_refuses_when_a_client_name_is_unfit(tmp_path: Path, name: str) -> None:
    """The name becomes a user, a topic level and a file."""
    with pytest.raises(CloseoutError, match="cannot name a client"):
        certificates.issue(tmp_path / "certs", clients=[name], now=NOW)


@pytest.mark.parametrize("names", [[], ["https://x"], ["*.x"], ["a b"], ["x:8883"]])
def test_issue_refuses_when_a_server_name_is_unfit(tmp_path: Path, names: list[str]) -> None:
    """Only DNS names and addresses stand in a certificate; nothing is written before that."""
    with pytest.raises(CloseoutError):
        certificates.issue(tmp_path / "certs", names, now=NOW)
    assert not (tmp_path / "certs").exists()


def test_issue_clients_takes_up_where_it_stopped_when_run_again(folder: Path) -> None:
    """A fleet is streamed, and what stands is kept."""
    fleet = (f"barn-{number}" for number in range(50))
    stream = certificates.issue_clients(folder, fleet, now=NOW)
    assert [next(stream).name for _ in range(2)] == ["barn-0", "barn-1"]
    stream.close()
    first = (folder / "clients" / "barn-0.crt").read_bytes()
    again = certificates.issue_clients(folder, ["barn-0", "barn-49"], now=NOW)
    assert [(item.name, bool(item.written)) for item in again] == [
        ("barn-0", False),
        ("barn-49", True),
    ]
    assert (folder / "clients" / "barn-0.crt").read_bytes() == first


def test_check_says_nothing_when_there_is_nothing(tmp_path: Path) -> None:
    """An empty folder has no certificates, which callers must not read as good."""
    assert certificates.check(tmp_path / "certs", now=NOW) == ()


def test_check_names_expiry_when_time_is_up(folder: Path) -> None:
    """Text and dictionary both carry state and days."""
    status = certificates.check(folder, now=NOW + timedelta(days=400))[1]
    assert status.state is State.EXPIRED
    assert str(status).startswith("expired  broker/server.crt")
    assert codec.plain(status)["state"] == "expired"


def test_issue_writes_nothing_when_it_is_rehearsed(folder: Path) -> None:
    """A dry run names what would be written, and no byte changes."""
    (folder / "clients" / "probe-device.crt").unlink()
    before = everything(folder)
    report = certificates.issue(folder, now=NOW, pen=REHEARSAL)
    assert report.written == ("clients/probe-device.crt",)
    assert everything(folder) == before
    forced = certificates.reissue(folder, now=NOW, pen=REHEARSAL)
    assert len(forced.written) == 9
    assert everything(folder) == before
    assert not (folder / ".stage").exists()


def test_renew_keeps_names_that_were_asked_for_when_it_signs_again(tmp_path: Path) -> None:
    """Names that are not the default ones outlive a renewal."""
    folder = tmp_path / "certs"
    certificates.issue(folder, ["broker.example", "10.1.2.3"], now=NOW)
    later = NOW + timedelta(days=350)
    assert "broker/server.crt" in certificates.renew(folder, now=later).written
    made = read_certificate(folder / "broker" / "server.crt")
    assert names_of(made) == ("broker.example", "10.1.2.3")


def test_renew_extends_the_authority_over_its_key_when_it_is_due(folder: Path) -> None:
    """Clients that know the old certificate of the authority go on trusting its leaves."""
    known = read_certificate(folder / "broker" / "ca.crt")
    later = NOW + timedelta(days=1810)
    certificates.renew(folder, now=later)
    assert signed_by(read_certificate(folder / "broker" / "server.crt"), known)
    assert {status.state for status in certificates.check(folder, now=later)} == {State.VALID}


def test_check_names_the_bundle_when_it_lacks_the_authority(folder: Path, tmp_path: Path) -> None:
    """What clients trust must hold the authority that signs."""
    certificates.issue(tmp_path / "other", now=NOW)
    foreign = (tmp_path / "other" / "broker" / "ca.crt").read_bytes()
    (folder / "broker" / "ca.crt").write_bytes(foreign)
    broken = [item for item in certificates.check(folder, now=NOW) if item.state is State.BROKEN]
    assert [item.path for item in broken] == ["broker/ca.crt"]
    with pytest.raises(CloseoutError, match="another authority's"):
        certificates.issue(folder, now=NOW)


@pytest.mark.parametrize("part", ["broker/server", "clients/probe-device"])
def test_issue_refuses_when_a_leaf_is_another_authoritys(
    folder: Path, tmp_path: Path, part: str
) -> None:
    """A foreign certificate is named, and nothing is overwritten."""
    certificates.issue(tmp_path / "other", now=NOW)
    for suffix in (".crt", ".key"):
        content = (tmp_path / "other" / f"{part}{suffix}").read_bytes()
        (folder / f"{part}{suffix}").write_bytes(content)
    before = everything(folder)
    with pytest.raises(CloseoutError, match="signed by another authority"):
        certificates.renew(folder, now=NOW + timedelta(days=350))
    assert everything(folder) == before


@pytest.mark.parametrize("act", ["renew", "reissue"])
def test_full_disk_leaves_everything_as_it_was(folder: Path, act: str) -> None:
    """A write that is cut short is an error with a hint; old keys and certificates stand."""
    before = everything(folder)
    script = (
        "import resource, sys; from datetime import timedelta; from pathlib import Path\n"
        "from closeout import errors\nfrom closeout.gaps.mqtt_tls import certificates\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))\n"
        "more = {'within': timedelta(days=4000)} if sys.argv[2] == 'renew' else {}\n"
        "try: getattr(certificates, sys.argv[2])(Path(sys.argv[1]), **more)\n"
        "except errors.CloseoutError as error: sys.exit(f'{error.reference}: {error.hint}')"
    )
    ended = process.run([sys.executable, "-c", script, folder, act])
    assert ended.code == 1, ended.err
    assert ended.err.startswith("certificates-unwritable: free the disk")
    assert everything(folder) == before
    assert not list(folder.rglob(".*"))


def test_renew_leaves_every_certificate_good_when_it_is_killed(folder: Path) -> None:
    """At every write: old or new, never half; and the next run finishes and clears away."""
    later = NOW + timedelta(days=350)
    keys = {path: content for path, content in everything(folder).items() if path.endswith("key")}
    point = 1
    while killed(lambda: certificates.renew(folder, now=later), point):
        states = {status.state for status in certificates.check(folder, now=later)}
        assert states <= {State.VALID, State.DUE}
        certificates.issue(folder, now=NOW)
        assert not list(folder.rglob(".*"))
        certificates.reissue(folder, now=NOW)
        keys = {name: content for name, content in everything(folder).items() if "key" in name}
        point += 1
    assert point == 7
    assert keys.items() <= everything(folder).items()


def test_issue_refuses_when_another_run_is_at_work(folder: Path) -> None:
    """Two runs never write one folder at a time."""
    fleet = certificates.issue_clients(folder, ["barn-1"], now=NOW)
    next(fleet)
    with pytest.raises(CloseoutError, match="another run"):
        certificates.issue(folder, now=NOW)
    fleet.close()
    assert certificates.issue(folder, now=NOW).written == ()


def test_fleet_needs_the_memory_of_one_client_when_it_is_long(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten times the names take no more memory; comments and empty lines are no names."""
    peaks = []
    for size in (20, 200):
        source = tmp_path / f"fleet-{size}"
        source.write_text("# barns\n\n" + "".join(f"barn-{n}\n" for n in range(size)))
        gc.collect()  # what other tests left behind, and say of it when it goes, is not counted
        tracemalloc.start()
        assert certs.make_fleet(tmp_path / str(size), source, top=tmp_path) is ExitCode.SETTLED
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert f"{size} clients of fleet-{size}, {size} written" in capsys.readouterr().out
    assert peaks[1] < peaks[0] * 1.5 + 64 * 1024


def test_fleet_is_taken_up_where_a_bad_name_stopped_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was issued stands, and is not issued again."""
    source = tmp_path / "fleet"
    source.write_text("barn-1\nbarn/2\nbarn-3\n")
    with pytest.raises(CloseoutError, match="'barn/2' cannot name"):
        certs.make_fleet(tmp_path / "certs", source, top=tmp_path)
    source.write_text("barn-1\nbarn-2\nbarn-3\n")
    certs.make_fleet(tmp_path / "certs", source, top=tmp_path)
    assert "3 clients of fleet, 2 written" in capsys.readouterr().out


def test_look_gives_as_data_what_its_lines_tell(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same certificates in both."""
    with output.turn("certs.check"):
        assert certs.look(folder, days=9999) is ExitCode.GAPS_LEFT
        told = output.given()["certificates"]
    *lines, total = capsys.readouterr().out.splitlines()
    assert isinstance(told, list)
    assert [item["path"] for item in told] == [line.split()[1] for line in lines]
    assert total.startswith(f"{len(lines)} certificates: ")


@pytest.mark.parametrize("link", ["edge-layer", "edge-layer/edge-mqtt-broker/certs"])
def test_task_refuses_when_a_link_leads_to_the_folder(tmp_path: Path, link: str) -> None:
    """A link anywhere between the monorepo's top and its keys leads them out of the tree."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    outside.mkdir()
    (root / link).parent.mkdir(parents=True)
    (root / link).symlink_to(outside)
    with pytest.raises(CloseoutError, match="symbolic link"):
        certs.dev(tmp_path, root=str(root), names="", fleet="", force=False, dry_run=False)
    assert not list(outside.rglob("*"))


def test_dev_serves_the_broker_of_the_tree_by_its_own_names(tmp_path: Path) -> None:
    """Its folder, what its clients dial, and the users of its access list are the tree's."""
    image = "services:\n  bus:\n    image: eclipse-mosquitto:2\n    volumes:\n"
    mount = "      - ./farm/bus/mosquitto.conf:/mosquitto/config/mosquitto.conf:ro\n"
    bus = tmp_path / "farm" / "bus"
    bus.mkdir(parents=True)
    (tmp_path / "docker-compose.yml").write_text(image + mount)
    (bus / "mosquitto.conf").write_text("listener 1883\n")
    (bus / "aclfile").write_text("user ledger\ntopic read #\n")
    certs.dev(tmp_path, root=str(tmp_path), names="", fleet="", force=False, dry_run=False)
    held = names_of(read_certificate(bus / "certs" / "broker" / "server.crt"))
    assert held == ("bus", "localhost", "127.0.0.1", "::1")
    made = sorted(path.name for path in (bus / "certs" / "clients").glob("*.crt"))
    assert made == ["ledger.crt", "probe-device.crt"]


def test_dev_asks_which_broker_when_a_tree_has_several(tmp_path: Path) -> None:
    """A folder that certs.dev guesses may be the wrong one."""
    text = "services:\n"
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mosquitto.conf").write_text("listener 1883\n")
        text += f"  {name}:\n    image: eclipse-mosquitto:2\n    volumes:\n"
        text += f"      - ./{name}/mosquitto.conf:/mosquitto/config/mosquitto.conf:ro\n"
    (tmp_path / "docker-compose.yml").write_text(text)
    with pytest.raises(CloseoutError, match="several brokers: one, two"):
        certs.check(tmp_path, root=str(tmp_path), days=30)
