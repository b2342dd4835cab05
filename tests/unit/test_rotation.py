"""Replacing the authority: at every step, every client can still connect."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from closeout.errors import CloseoutError
from closeout.formats.x509 import read_bundle, read_certificate
from closeout.gaps.mqtt_tls import certificates
from closeout.gaps.mqtt_tls.certificates import State, tasks
from closeout.gaps.mqtt_tls.certificates.rotation import Step, rotate
from tests.support.folders import everything, killed

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with certificates that are valid now."""
    path = tmp_path / "certs"
    certificates.issue(path)
    return path


def kept(folder: Path, place: Path) -> tuple[Path, Path, Path]:
    """Return copies of what a client holds: its bundle, its certificate and its key."""
    place.mkdir()
    found = (folder / "broker" / "ca.crt", *sorted((folder / "clients").glob("probe-device.*")))
    for path in found:
        (place / path.name).write_bytes(path.read_bytes())
    return place / "ca.crt", place / "probe-device.crt", place / "probe-device.key"


def accepted(folder: Path, client: tuple[Path, Path, Path]) -> bool:
    """Return whether broker and client accept each other, both strictly, in memory."""
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(folder / "broker" / "server.crt", folder / "broker" / "server.key")
    serving.load_verify_locations(folder / "broker" / "ca.crt")
    serving.verify_mode = ssl.CERT_REQUIRED
    dialling = ssl.create_default_context(cafile=str(client[0]))
    dialling.load_cert_chain(client[1], client[2])
    for each in (serving, dialling):
        each.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (
        dialling.wrap_bio(down, up, server_hostname="localhost"),
        serving.wrap_bio(up, down, server_side=True),
    )
    for _ in range(4):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
    return sides[1].getpeercert() is not None


def test_rotate_keeps_every_client_connected_when_steps_are_taken_in_turn(
    folder: Path, tmp_path: Path
) -> None:
    """Whoever did what the step before asked for is accepted after the next."""
    old = kept(folder, tmp_path / "old")
    rotate(folder, Step.TRUST)
    trusting = kept(folder, tmp_path / "trusting")
    assert accepted(folder, old)
    assert accepted(folder, trusting)
    rotate(folder, Step.SIGN)
    signed = kept(folder, tmp_path / "signed")
    assert accepted(folder, trusting)
    assert accepted(folder, signed)
    rotate(folder, Step.RETIRE)
    assert accepted(folder, signed)
    assert accepted(folder, kept(folder, tmp_path / "new"))
    assert not accepted(folder, old)
    assert not accepted(folder, trusting)
    assert len(read_bundle(folder / "broker" / "ca.crt")) == 1
    assert {status.state for status in certificates.check(folder)} == {State.VALID}


def test_rotate_gives_the_next_authority_a_name_of_its_own(folder: Path) -> None:
    """Verifiers that look issuers up by name must not take one for the other."""
    rotate(folder, Step.TRUST)
    bundle = read_bundle(folder / "broker" / "ca.crt")
    assert len({item.subject for item in bundle}) == 2


@pytest.mark.parametrize(
    ("before", "step"),
    [
        ([], Step.SIGN),
        ([], Step.RETIRE),
        ([Step.TRUST], Step.RETIRE),
        ([Step.TRUST, Step.SIGN], Step.TRUST),
        ([Step.TRUST, Step.SIGN, Step.RETIRE], Step.RETIRE),
    ],
)
def test_rotate_refuses_when_a_step_is_out_of_turn(
    folder: Path, before: list[Step], step: Step
) -> None:
    """It names the step to take, and changes nothing."""
    for each in before:
        rotate(folder, each)
    was = everything(folder)
    with pytest.raises(CloseoutError) as caught:
        rotate(folder, step)
    assert caught.value.reference == "rotation-out-of-turn"
    assert everything(folder) == was


def test_rotate_refuses_when_there_is_no_authority(tmp_path: Path) -> None:
    """There is nothing to replace, and nothing is made."""
    with pytest.raises(CloseoutError, match="no authority to replace"):
        rotate(tmp_path / "certs", Step.TRUST)
    assert not (tmp_path / "certs").exists()


def test_retire_refuses_when_a_client_still_stands_on_the_old_authority(
    folder: Path, tmp_path: Path
) -> None:
    """A certificate that came back from a backup would be locked out."""
    old = kept(folder, tmp_path / "old")
    rotate(folder, Step.TRUST)
    rotate(folder, Step.SIGN)
    (folder / "clients" / "probe-device.crt").write_bytes(old[1].read_bytes())
    due = {item.path for item in certificates.check(folder) if item.state is State.DUE}
    assert due == {"clients/probe-device.crt"}
    with pytest.raises(CloseoutError, match="still stands on the old"):
        rotate(folder, Step.RETIRE)
    certificates.renew(folder)
    rotate(folder, Step.RETIRE)
    assert {status.state for status in certificates.check(folder)} == {State.VALID}


@pytest.mark.parametrize("step", list(Step))
def test_rotate_is_taken_up_when_it_was_killed_at_any_write(tmp_path: Path, step: Step) -> None:
    """The same step, run again, ends where an undisturbed one does; clients stay connected."""
    point, going = 1, True
    while going:
        folder = tmp_path / f"certs-{point}"
        certificates.issue(folder, clients=["probe-device"])
        earlier = list(Step)[: list(Step).index(step)]
        for each in earlier:
            rotate(folder, each)
        client = kept(folder, tmp_path / f"client-{point}")
        going = killed(lambda place=folder: rotate(place, step), point)
        assert accepted(folder, client)
        retired = step is Step.RETIRE and not (folder / "authority" / "old.crt").exists()
        if going and not retired:
            rotate(folder, step)
        for each in list(Step)[len(earlier) + 1 :]:
            rotate(folder, each)
        assert {status.state for status in certificates.check(folder)} == {State.VALID}
        assert len(list((folder / "authority").iterdir())) == 2
        point += 1
    assert point > 2


def test_issue_names_the_way_out_when_a_rotation_was_interrupted(folder: Path) -> None:
    """Between the authority's certificate and its key, a run says which step to take again."""
    rotate(folder, Step.TRUST)
    authority = folder / "authority"
    (authority / "old.crt").write_bytes((authority / "ca.crt").read_bytes())
    (authority / "next.crt").replace(authority / "ca.crt")
    with pytest.raises(CloseoutError) as caught:
        certificates.issue(folder)
    assert "certs.rotate --step sign" in caught.value.hint
    rotate(folder, Step.SIGN)
    assert {status.state for status in certificates.check(folder)} == {State.VALID}


def test_renew_during_a_rotation_keeps_both_authorities_trusted(folder: Path) -> None:
    """A renewal between two steps takes nothing out of the bundle."""
    rotate(folder, Step.TRUST)
    certificates.renew(folder, within=timedelta(days=4000))
    assert len(read_bundle(folder / "broker" / "ca.crt")) == 2
    assert read_certificate(folder / "authority" / "next.crt")


def test_next_step_is_told_for_the_tree_that_was_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its root, the step told would be taken on another broker's authority."""
    (tmp_path / "a farm").mkdir()
    root = str(tmp_path / "a farm")
    tasks.dev(tmp_path, root=root, names="", fleet="", force=False, dry_run=False)
    for step, then in (("trust", "sign"), ("sign", "retire")):
        capsys.readouterr()
        tasks.rotate(tmp_path, step=step, root=root)
        told = " ".join(capsys.readouterr().out.split())
        assert told.endswith(f"invoke certs.rotate --step {then} --root '{root}'.")
    tasks.rotate(tmp_path, step="retire", root=root)
    assert "certs.rotate" not in capsys.readouterr().out
