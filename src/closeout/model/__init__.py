"""The domain's values: frozen, keyword-only, and unbuildable in a bad state.

The standard library, and the constraints of msgspec on what is read back. Every other room may
import this one; of ours it imports errors alone.
"""

from closeout.model.commands import Command, Desk, Option
from closeout.model.edits import Changeset, Edit, Patch, Proposal, Source
from closeout.model.findings import (
    NO_CRITERION,
    Check,
    Count,
    Criterion,
    Digest,
    Finding,
    Line,
    Means,
    Reason,
    Text,
    Unresolved,
    Verdict,
)
from closeout.model.gaps import Deviation, Gap, WorkOrder, later
from closeout.model.gates import Gate, GateContext, Row
from closeout.model.probes import (
    Measure,
    Observation,
    Probe,
    ProbeContext,
    ProofKind,
    Service,
    StandIns,
)
from closeout.model.rules import Located, Place, Rule
from closeout.model.subjects import Subject
from closeout.model.tree import FileQuestion, Tree

__all__ = [
    "NO_CRITERION",
    "Changeset",
    "Check",
    "Command",
    "Count",
    "Criterion",
    "Desk",
    "Deviation",
    "Digest",
    "Edit",
    "FileQuestion",
    "Finding",
    "Gap",
    "Gate",
    "GateContext",
    "Line",
    "Located",
    "Means",
    "Measure",
    "Observation",
    "Option",
    "Patch",
    "Place",
    "Probe",
    "ProbeContext",
    "ProofKind",
    "Proposal",
    "Reason",
    "Row",
    "Rule",
    "Service",
    "Source",
    "StandIns",
    "Subject",
    "Text",
    "Tree",
    "Unresolved",
    "Verdict",
    "WorkOrder",
    "later",
]
