"""Say once of an app that its image never starts what is started in its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from closeout.harness import started_program
from closeout.harness.service_discovery import Member
from closeout.model import Observation, Probe, ProbeContext, Tree
from closeout.model.probes import NO_PROOF


def told_once(
    tree: Tree, found: Mapping[str, Member], probes: Iterable[Probe]
) -> Mapping[Probe, Probe]:
    """Return what is put in the place of each probe: itself, or one that says what is deployed.

    An app that its image never starts is not booted to be asked many questions of which none is
    proof: it has one row for each criterion, which none of its answers closes.
    """
    others = {
        name: other
        for name, member in found.items()
        if (other := started_program.other_program(tree, member.folder))
    }
    told: dict[tuple[str, str, str], Probe] = {}
    made = {}
    for probe in probes:
        name = next((need for need in probe.needs if need in others), "")
        made[probe] = probe
        if name:
            slug = probe.id.partition(".")[0]
            stated = _stated(f"{slug}.as-deployed@{name}", probe.criterion, others[name], name)
            made[probe] = told.setdefault((slug, probe.criterion, name), stated)
    return made


def _stated(name: str, criterion: str, other: str, service: str) -> Probe:
    """Return a probe that asks nothing and says what is started in the place of a service's app."""

    def run(_: ProbeContext) -> Observation:
        because = f"{NO_PROOF}what starts {service} is `{other}`, never the app in its folder"
        return Observation(
            passed=None,
            expected="the app that was mended is what the image starts",
            observed=because,
            command=f"start {service} from its image, and ask it there what {criterion} says",
        )

    return Probe(id=name, criterion=criterion, needs=(), run=run, subject=service)
