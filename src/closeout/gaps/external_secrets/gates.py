"""The operator and its secrets, asked of a cluster."""

from __future__ import annotations

from closeout.gaps.external_secrets.probing.cluster import QUESTIONS
from closeout.harness import cluster

GATES = (cluster.gate(QUESTIONS),)
