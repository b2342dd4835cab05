"""Install the billing suite where it fits, and let the test script fail without tests."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.fs.text_edit import splice
from closeout.gaps.billing_tests import jest_package
from closeout.gaps.billing_tests.demand import BILLING_SERVICE
from closeout.gaps.billing_tests.rules import PACKAGE, RULES, jest_configurations, survey
from closeout.harness import suite_install
from closeout.harness.suite_install import Needs, Shipped, Tested
from closeout.model import Changeset, Edit, Reason, Tree, Unresolved

_RUNNER = ("jest", "ts-jest")

_MEMORY: Needs = {
    "src/store/memoryStore.ts": ("MemoryStore",),
    "src/domain/clock.ts": ("Clock",),
}
_INVOICES: Needs = {
    "src/services/invoiceService.ts": (
        "InvoiceService",
        "InvoiceService.createInvoice",
        "InvoiceService.getInvoice",
        "InvoiceService.calculateTax",
        "invoiceService",
    )
}
_PAYMENTS: Needs = {
    "src/services/paymentService.ts": (
        "PaymentService",
        "PaymentService.recordPayment",
        "PaymentService.refund",
        "PaymentService.handleWebhook",
        "PaymentService.balance",
        "paymentService",
    )
}
_SUBSCRIPTIONS: Needs = {
    "src/services/subscriptionService.ts": (
        "SubscriptionService",
        "SubscriptionService.subscribe",
        "SubscriptionService.get",
        "SubscriptionService.upgrade",
        "SubscriptionService.cancel",
        "subscriptionService",
    )
}
_USAGE: Needs = {
    "src/services/usageMeteringService.ts": (
        "UsageMeteringService",
        "UsageMeteringService.record",
        "UsageMeteringService.quantity",
        "UsageMeteringService.charge",
        "usageMeteringService",
    )
}
_POSTGRES: Needs = {"src/store/postgresStore.ts": ("PostgresStore", "PostgresStore.usage")}
_APP: Needs = {"src/app.ts": ("createApp",), "src/store/defaultStore.ts": ("openStore",)}

SUITE = Shipped(
    name="billing",
    service=BILLING_SERVICE,
    needs={
        "tests/invoiceService.test.ts": {**_MEMORY, **_INVOICES},
        "tests/paymentService.test.ts": {**_MEMORY, **_INVOICES, **_PAYMENTS},
        "tests/subscriptionService.test.ts": {**_MEMORY, **_SUBSCRIPTIONS},
        "tests/usageMeteringService.test.ts": {**_MEMORY, **_USAGE},
        "tests/postgres.test.ts": {
            **_INVOICES,
            **_PAYMENTS,
            **_SUBSCRIPTIONS,
            **_USAGE,
            **_POSTGRES,
        },
        "tests/app.test.ts": {
            **_MEMORY,
            **_INVOICES,
            **_PAYMENTS,
            **_SUBSCRIPTIONS,
            **_USAGE,
            **_POSTGRES,
            **_APP,
        },
        "tests/support/clock.ts": {"src/domain/clock.ts": ("Clock",)},
    },
)


def fix(tree: Tree) -> tuple[Changeset, ...]:
    """Return the suite and the test script's change, for what the rules still find."""
    seen = survey(tree)
    open_paths = suite_install.open_paths(RULES, seen)
    content = tree.read(PACKAGE)
    read = None if content is None else jest_package.read(content)
    if not open_paths or content is None or read is None:
        return ()
    made = (_suite(seen, open_paths, read), _script(content, read))
    return tuple(item for item in made if item.edits or item.unresolved)


def _suite(
    seen: Tested, open_paths: set[PurePosixPath], read: jest_package.JestPackage
) -> Changeset:
    absent = [name for name in _RUNNER if name not in read.packages]
    if absent:
        lost = Unresolved(
            path=PACKAGE,
            reason=Reason.MISSING,
            line=read.line,
            detail=f"the suite needs {' and '.join(absent)}, which the service does not install",
            hint=f"npm install --save-dev --save-exact {' '.join(absent)}, then run this again.",
        )
        return Changeset(name="billing-suite", edits=(), unresolved=(lost,))
    configured = read.configures_jest or jest_configurations(seen)
    return suite_install.propose(
        SUITE, seen.tree, open_paths, {"jest.config.js"} if configured else set()
    )


def _script(content: bytes, read: jest_package.JestPackage) -> Changeset:
    if jest_package.trouble(read) is None:
        return Changeset(name="test-script", edits=())
    change = jest_package.mended(content, read)
    if change is None:
        lost = Unresolved(
            path=PACKAGE,
            reason=Reason.AMBIGUOUS,
            line=read.line,
            detail="the test script's place in package.json is not plain",
            hint='write `"test": "jest"` into its scripts.',
        )
        return Changeset(name="test-script", edits=(), unresolved=(lost,))
    edit = Edit(path=PACKAGE, before=content, after=splice(content, [change]))
    return Changeset(name="test-script", edits=(edit,))
