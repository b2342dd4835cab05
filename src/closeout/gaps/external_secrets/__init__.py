"""External secrets: every service's secrets come from the secret manager, through the operator.

Problem
    Secrets stand as literals in compose files and charts, and nothing in the cluster brings them
    from the cloud's secret manager. The order's own manifests would not have: their API version
    is no longer served, and the account they name exists nowhere.

Before
    No operator, no store, no ExternalSecret; a password is what the compose file says.

After
    `k8s/external-secrets/install.sh` installs the pinned operator, as often as it is run, and
    applies the folder: a ClusterSecretStore that only the services' namespaces may read, the
    account it signs in with, and one ExternalSecret a service with one entry for each secret
    variable that compose files, env examples, charts or code name: under the names, keys and
    namespaces that workloads and charts read, where they read any. A Secret that a manifest writes
    out is handed over, a chart leaves its own to the operator where the cluster has it, and what
    only developers start gets none. `bind-identity.sh` lets the
    account read the secrets; `create-remote-secrets.sh` creates the remote ones and prints none.
    A variable that is added later without an entry is a finding. What signs in with one role on
    one server has one remote key, by whatever variables; from an address the script asks no more
    than whether it shall fill that password in.

    `k8s/overlays/external-secrets/` holds dev, staging and production, and `k8s/overlays/` others
    where a Secret is handed over in a folder of its own; `closeout.toml` may say that
    Vault keeps the secrets. Charts hand every secret on and carry its version in their pods, so
    an upgrade after a rotation rolls them out; `roll-out.sh` does it between upgrades.

    A secret that is written out is a finding too, wherever it stands: compose, env files, charts,
    code, scripts, manifests, images, keys. Compose files then require each from the `.env` beside
    them (`${JWT_SECRET:?set it in .env}`), by one name for a server and its clients, and the
    example there names it; of an address only the password goes. Env examples keep the name without
    the value. A user that a RabbitMQ's definitions bring with the hash of a known password leaves
    them, and a script adds it at each start from the environment. Scripts and files of connections
    read the same variables and say which is missing, a pipeline's token becomes a secret of its CI
    (a comment says which to define), and what leaves an image is handed on by every compose file
    and manifest that starts it. Code that falls back to a secret takes the variable alone once
    every file that starts the service gives it: compose gets what the code made up. It asks where
    it handles failures, what nothing reads goes on without, and what cannot be delivered stays,
    with the reason. What stands in code or charts otherwise is named and left to a person; so is a
    document that teaches a default or repeats a login which is gone.

What stays with the operator's owner
    That the operator runs and that secrets arrive can only be seen on the cluster:
    `invoke secrets.verify`.
"""

from __future__ import annotations

from closeout.gaps.external_secrets.detect import survey
from closeout.gaps.external_secrets.deviations import DEVIATIONS
from closeout.gaps.external_secrets.fix import fix
from closeout.gaps.external_secrets.rules import RULES, SUBJECTS
from closeout.model import Gap, later

GAP = Gap(
    slug="external-secrets",
    issue=10,
    title="External Secrets Operator for all services",
    priority="P1",
    criteria=("10.1", "10.2", "10.3", "10.4"),
    fix=fix,
    subjects=SUBJECTS,
    rules=RULES,
    survey=survey,
    gates=later(f"{__name__}.gates", "GATES"),
    commands=later(f"{__name__}.commands", "COMMANDS"),
    deviations=DEVIATIONS,
    guide=__doc__ or "",
)
