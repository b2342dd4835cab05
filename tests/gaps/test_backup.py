"""The backup gap: what it finds, what it leaves alone and what it installs."""

from pathlib import Path, PurePosixPath

import pytest
import yaml

from closeout.engine import rules
from closeout.formats import manifests as kubernetes
from closeout.fs.tree import MemoryTree, Overlay
from closeout.gaps.backup import GAP
from closeout.gaps.backup.detect import faults
from closeout.gaps.backup.manifests import (
    BACKUP_SCRIPT,
    CRONJOB,
    RESTORE_SCRIPT,
    BackupNames,
    manifests,
)
from closeout.gaps.backup.point_in_time import archives
from closeout.model import Check, Edit, Finding, ProbeContext, Tree
from closeout.resources import verbatim

NAIVE = b"""#!/bin/bash
set -e
DATABASES=("one" "two")
for DB in "${DATABASES[@]}"; do
  pg_dump -h $HOST -d $DB | gzip > "$BACKUP_DIR/$DB.sql.gz"
done
find $BACKUP_DIR -name "*.sql.gz" -mtime +7 -delete
"""
NAIVE_JOB = b"""apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly
spec:
  schedule: "0 2 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          containers:
            - name: backup
              image: postgres:16-alpine
              command: ["/scripts/backup-database.sh"]
          restartPolicy: OnFailure
          volumes:
            - name: storage
              persistentVolumeClaim:
                claimName: backup-pvc
"""


DEPLOYED = {"database.conf": b"# postgres\n", "k8s/ingress.yaml": b"kind: Ingress\n"}
"""A PostgreSQL and a cluster, and nothing else to see."""


def findings(tree: Tree) -> tuple[Finding, ...]:
    """Return everything the gap finds."""
    return tuple(finding for check in rules.checks(GAP, tree) for finding in check.findings)


def checks(tree: Tree) -> dict[str, Check]:
    """Return the gap's checks by criterion."""
    return {check.criterion: check for check in rules.checks(GAP, tree)}


def fixed(tree: Tree) -> Overlay:
    """Return the tree with everything the gap derives."""
    edits = [edit for changeset in GAP.fix(tree) for edit in changeset.edits]
    return Overlay(tree, edits)


def test_detect_finds_each_criterion_open_when_there_is_nothing() -> None:
    """A tree without backups has four open criteria."""
    assert {finding.criterion for finding in findings(MemoryTree(DEPLOYED))} == set(GAP.criteria)


def test_detect_names_the_traps_of_a_naive_script() -> None:
    """The script that the order prints is not a backup."""
    rules = {rule for rule, _, _ in faults(NAIVE)}
    assert rules == {"no-pipefail", "unverified", "not-atomic", "prunes-by-age", "fixed-list"}


def test_detect_leaves_a_backup_engine_alone() -> None:
    """A script that hands over to pgBackRest verifies and expires by other means."""
    assert faults(b"#!/bin/bash\npgbackrest --stanza=main backup\n") == ()


def test_detect_is_not_fooled_by_a_comment() -> None:
    """Words in a comment neither accuse nor excuse."""
    assert [rule for rule, _, _ in faults(b"# pg_dump, pgbackrest\necho done\n")] == ["no-dump"]


@pytest.mark.parametrize(
    ("line", "missing"),
    [
        (b"set -euo pipefail", set()),
        (b"set -o pipefail  # or not", set()),
        (b"shopt -so pipefail", set()),
        (b"bash -o pipefail -c true", set()),
        (b'echo "set -o pipefail is better"', {"no-pipefail"}),
        (b'HINT="set -o pipefail"', {"no-pipefail"}),
        (b"true  # set -o pipefail", {"no-pipefail"}),
        (b"cat <<EOF\nset -o pipefail\nEOF", {"no-pipefail"}),
        (b'echo >&2 "no pgbackrest here, set -o pipefail"', {"no-pipefail"}),
    ],
)
def test_detect_takes_nothing_that_a_script_says_for_what_it_does(
    line: bytes, missing: set[str]
) -> None:
    """Printed text, remarks and strings set no option and call no engine."""
    safe = b"pg_dump a > a.part\npg_restore --list a.part\nmv a.part a\n"
    assert {rule for rule, _, _ in faults(b"#!/bin/bash\n" + line + b"\n" + safe)} == missing


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"archive_command = 'cp %p /wal/%f'\n", True),
        (b"args: [-c, 'archive_command=cp %p /wal/%f']\n", True),
        (b"archive_command: |\n  cp %p /wal\n", True),
        (b"#archive_command = ''\t\t# command to use\n", False),
        (b"archive_command = ''\n", False),
        (b"max: 1 # archive_command comes later\n", False),
    ],
)
def test_detect_takes_no_remark_for_an_archive(content: bytes, found: bool) -> None:
    """A server's own sample configuration names the setting and archives nothing."""
    assert bool(archives(MemoryTree({"db/postgresql.conf": content}))) is found


def test_detect_finds_an_unnamed_script_that_dumps() -> None:
    """A second script with the same faults is found and told from the named one."""
    tree = fixed(
        MemoryTree(DEPLOYED | {"infra/dump.sh": NAIVE, "infra/other.sh": b"echo pg_dump_all\n"})
    )
    assert {item.path for item in findings(tree)} == {PurePosixPath("infra/dump.sh")}
    assert not any(item.named for item in findings(tree))


def test_detect_names_what_a_naive_cronjob_lacks() -> None:
    """Zone, limits, policy, account and volumes are asked for one by one."""
    rules = {item.rule for item in findings(MemoryTree({str(CRONJOB): NAIVE_JOB}))}
    assert {
        "cronjob-timeZone",
        "cronjob-concurrency",
        "cronjob-deadline",
        "cronjob-failedJobsHistoryLimit",
        "cronjob-security-context",
        "cronjob-image",
        "cronjob-dangling",
    } <= rules


def test_detect_reports_a_manifest_that_is_no_yaml() -> None:
    """A manifest that does not parse is not judged and not replaced."""
    tree = MemoryTree(DEPLOYED | {str(CRONJOB): b"kind: CronJob\n  bad: [\n"})
    assert checks(tree)["9.2"].unresolved
    assert CRONJOB not in {edit.path for edit in fixed(tree).edits}


def test_detect_finds_a_configmap_with_another_script() -> None:
    """The cluster runs the text in the ConfigMap, so it must be the tested one."""
    tree = fixed(MemoryTree(DEPLOYED))
    script = tree.read(BACKUP_SCRIPT) or b""
    tree.lay(Edit(path=BACKUP_SCRIPT, before=script, after=script + b"# local\n", mode=0o755))
    assert [item.rule for item in findings(tree)] == ["cronjob-stale-script"]


def test_detect_ignores_a_cronjob_that_backs_up_nothing() -> None:
    """Another CronJob, even one that mentions backups, is not ours."""
    other = NAIVE_JOB.replace(b"/scripts/backup-database.sh", b"/bin/report-on-backups")
    assert findings(fixed(MemoryTree(DEPLOYED | {"k8s/report.yaml": other}))) == ()


def test_derive_closes_every_finding_and_then_rests() -> None:
    """After the fix nothing is open, something was examined, and a second run changes nothing."""
    tree = fixed(MemoryTree(DEPLOYED))
    assert findings(tree) == ()
    assert all(check.examined for check in rules.checks(GAP, tree))
    assert GAP.fix(tree) == ()


def test_derive_installs_the_projects_own_scripts() -> None:
    """The scripts arrive byte for byte and executable."""
    tree = fixed(MemoryTree(DEPLOYED))
    for path in (BACKUP_SCRIPT, RESTORE_SCRIPT):
        assert tree.read(path) == verbatim(str(path))
        assert tree.mode(path) == 0o755


def test_derive_replaces_a_naive_script_and_job() -> None:
    """The named places are replaced even where something stands there."""
    tree = MemoryTree({str(BACKUP_SCRIPT): NAIVE, str(CRONJOB): NAIVE_JOB})
    assert findings(fixed(tree)) == ()


def test_derive_leaves_a_second_script_to_its_owner() -> None:
    """Which of two scripts is still needed is not ours to say."""
    left = [
        item
        for made in GAP.fix(MemoryTree(DEPLOYED | {"ops/dump.sh": NAIVE}))
        for item in made.unresolved
    ]
    assert [str(item.path) for item in left] == ["ops/dump.sh"]


def test_rendered_manifests_pass_strict_validation() -> None:
    """No unknown field, no unknown kind, no wrong value."""
    for item in manifests():
        if item.path.suffix == ".yaml":
            assert kubernetes.validate(item.content()) == ()


@pytest.mark.parametrize("names", [BackupNames(), BackupNames(project="herd-op", bucket="b-1")])
def test_manifest_says_first_what_has_to_be_there(names: BackupNames) -> None:
    """What no file makes is named above it, as the manifest itself has it; other names are not."""
    (content,) = [item.content() for item in manifests(names) if item.path == CRONJOB]
    told = content[: content.index(b"apiVersion")].decode()
    made = {(top["kind"], top["metadata"]["name"]): top for top in yaml.safe_load_all(content)}
    (account,) = made["ServiceAccount", "postgres-backup"]["metadata"]["annotations"].values()
    pod = made["CronJob", "postgres-backup"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    given = {item["name"]: item["value"] for item in pod["containers"][0]["env"]}
    policy = made["NetworkPolicy", "postgres-backup"]["spec"]["egress"][1]
    ((label, value),) = policy["to"][0]["podSelector"]["matchLabels"].items()
    for text in (
        f"CREATE ROLE {given['POSTGRES_USER']} LOGIN BYPASSRLS",
        f"GRANT pg_read_all_data TO {given['POSTGRES_USER']};",
        pod["containers"][0]["image"],
        given["BACKUP_BUCKET"],
        account,
        f"{label}: {value}",
        f"port {policy['ports'][0]['port']}",
    ):
        assert text in told
    assert ("farmiq_backup" in told) == (names == BackupNames())


def test_configmap_carries_the_scripts_byte_for_byte() -> None:
    """Indenting a script into YAML changes none of it."""
    content = next(item.content() for item in manifests() if item.path == CRONJOB)
    data = next(doc["data"] for doc in yaml.safe_load_all(content) if doc["kind"] == "ConfigMap")
    assert data[BACKUP_SCRIPT.name].encode() == verbatim(str(BACKUP_SCRIPT))
    assert data[RESTORE_SCRIPT.name].encode() == verbatim(str(RESTORE_SCRIPT))


@pytest.mark.parametrize("name", ["postgres-backup", "postgres-restore-drill"])
def test_jobs_are_hardened(name: str) -> None:
    """Both jobs run as nobody in particular, on a read-only image, without a cluster token."""
    content = next(item.content() for item in manifests() if item.path == CRONJOB)
    job = next(
        doc
        for doc in yaml.safe_load_all(content)
        if doc["metadata"]["name"] == name and doc["kind"] == "CronJob"
    )
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert job["spec"]["timeZone"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert all(c["securityContext"]["capabilities"] == {"drop": ["ALL"]} for c in pod["containers"])


def test_probes_refuse_to_run_a_script_that_would_do_harm(tmp_path: Path) -> None:
    """A script that deletes by age is not started at all."""
    (tmp_path / "tree/scripts").mkdir(parents=True)
    (tmp_path / "tree" / BACKUP_SCRIPT).write_bytes(NAIVE)
    seen = GAP.probes()[0].run(ProbeContext(root=tmp_path / "tree", scratch=tmp_path / "s"))
    assert seen.passed is False
    assert "not run" in seen.observed
