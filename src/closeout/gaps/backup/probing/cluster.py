"""What to ask a cluster about the nightly job."""

from __future__ import annotations

from collections.abc import Iterator

from closeout.harness.cluster import Answer, Question


def _backup_runs(answer: Answer) -> Iterator[str]:
    if answer["spec"].get("suspend"):
        yield "the CronJob is suspended"
    if answer["spec"]["schedule"].split()[2:] != ["*", "*", "*"]:
        yield f"its schedule is {answer['spec']['schedule']}, not daily"


QUESTIONS = (
    Question(
        id="backup.cronjob-present",
        criterion="9.2",
        arguments=("get", "cronjob", "postgres-backup", "--namespace", "farmiq-cloud-prod"),
        expected="the backup's CronJob is there, daily and not suspended",
        judge=_backup_runs,
    ),
)
