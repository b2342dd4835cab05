"""The gaps of the work order, in its sequence, and then those of plugins; the only list of them."""

from __future__ import annotations

from closeout.gaps.backup import GAP as BACKUP
from closeout.gaps.billing_tests import GAP as BILLING_TESTS
from closeout.gaps.cors import GAP as CORS
from closeout.gaps.external_secrets import GAP as EXTERNAL_SECRETS
from closeout.gaps.factory_secret import GAP as FACTORY_SECRET
from closeout.gaps.headers import GAP as HEADERS
from closeout.gaps.mqtt_tls import GAP as MQTT_TLS
from closeout.gaps.plugins import found
from closeout.gaps.rate_limit import GAP as RATE_LIMIT
from closeout.gaps.sql import GAP as SQL
from closeout.gaps.vision_tests import GAP as VISION_TESTS
from closeout.model import Gap

GAPS: tuple[Gap, ...] = (
    CORS,
    RATE_LIMIT,
    SQL,
    FACTORY_SECRET,
    BILLING_TESTS,
    VISION_TESTS,
    HEADERS,
    MQTT_TLS,
    BACKUP,
    EXTERNAL_SECRETS,
)

GAPS += found(GAPS)
