"""The domain's values: frozen, keyword-only, and unbuildable in a bad state.

Standard library only. Every other room may import this one; it imports nothing of ours.
"""

from closeout.model.edits import Changeset, Edit, Patch, PatchState, Proposal, Source
from closeout.model.findings import Check, Criterion, Finding, Means, Reason, Unresolved, Verdict
from closeout.model.gaps import Deviation, Gap, WorkOrder
from closeout.model.probes import Measure, Observation, Probe, ProbeContext, ProofKind, Service
from closeout.model.tree import Question, Tree

__all__ = [
    "Changeset",
    "Check",
    "Criterion",
    "Deviation",
    "Edit",
    "Finding",
    "Gap",
    "Means",
    "Measure",
    "Observation",
    "Patch",
    "PatchState",
    "Probe",
    "ProbeContext",
    "ProofKind",
    "Proposal",
    "Question",
    "Reason",
    "Service",
    "Source",
    "Tree",
    "Unresolved",
    "Verdict",
    "WorkOrder",
]
