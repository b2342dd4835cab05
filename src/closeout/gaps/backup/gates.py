"""The nightly job, asked of a cluster."""

from __future__ import annotations

from closeout.gaps.backup.probing.cluster import QUESTIONS
from closeout.harness import cluster

GATES = (cluster.gate(QUESTIONS),)
