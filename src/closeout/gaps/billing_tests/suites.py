"""What the billing suite is held to, the suites that are shipped, and what their files use."""

from __future__ import annotations

from pathlib import PurePosixPath

from closeout.harness.quality_gate import Demand, Floors, Minimum
from closeout.harness.suite_install import Needs, Shipped, of_class

BILLING_SERVICE = PurePosixPath("cloud-layer/cloud-billing-service")

BILLING = Demand(
    slug="billing-tests",
    minimums=tuple(
        Minimum(
            probe=f"billing-tests.{name}-service",
            criterion=criterion,
            file=f"{module}.test.ts",
            module=f"services/{module}",
            tests=tests,
        )
        for criterion, name, module, tests in (
            ("5.1", "invoice", "invoiceService", 10),
            ("5.2", "subscription", "subscriptionService", 10),
            ("5.3", "payment", "paymentService", 5),
            ("5.4", "usage-metering", "usageMeteringService", 5),
        )
    ),
    floors=Floors(statements=70, branches=70),
    coverage_criterion="5.5",
    passing_criterion="M.4",
)

_MEMORY: Needs = {
    "src/store/memoryStore.ts": ("MemoryStore",),
    "src/domain/clock.ts": ("Clock",),
}
_INVOICES: Needs = {
    "src/services/invoiceService.ts": (
        *of_class("InvoiceService", "createInvoice", "getInvoice", "calculateTax"),
        "invoiceService",
    )
}
_PAYMENTS: Needs = {
    "src/services/paymentService.ts": (
        *of_class("PaymentService", "recordPayment", "refund", "handleWebhook", "balance"),
        "paymentService",
    )
}
_SUBSCRIPTIONS: Needs = {
    "src/services/subscriptionService.ts": (
        *of_class("SubscriptionService", "subscribe", "get", "upgrade", "cancel"),
        "subscriptionService",
    )
}
_USAGE: Needs = {
    "src/services/usageMeteringService.ts": (
        *of_class("UsageMeteringService", "record", "quantity", "charge"),
        "usageMeteringService",
    )
}
_SERVICES: Needs = {**_INVOICES, **_PAYMENTS, **_SUBSCRIPTIONS, **_USAGE}
_POSTGRES: Needs = {"src/store/postgresStore.ts": ("PostgresStore", "PostgresStore.usage")}
_APP: Needs = {"src/app.ts": ("createApp",), "src/store/defaultStore.ts": ("openStore",)}

_ORDER = Shipped(
    name="billing",
    service=BILLING_SERVICE,
    needs={
        "tests/invoiceService.test.ts": {**_MEMORY, **_INVOICES},
        "tests/paymentService.test.ts": {**_MEMORY, **_INVOICES, **_PAYMENTS},
        "tests/subscriptionService.test.ts": {**_MEMORY, **_SUBSCRIPTIONS},
        "tests/usageMeteringService.test.ts": {**_MEMORY, **_USAGE},
        "tests/postgres.test.ts": {**_SERVICES, **_POSTGRES},
        "tests/app.test.ts": {**_MEMORY, **_SERVICES, **_POSTGRES, **_APP},
        "tests/support/clock.ts": {"src/domain/clock.ts": ("Clock",)},
    },
)

_USAGE_FUNCTIONS: Needs = {
    "src/services/usageMeteringService.ts": (
        "recordUsageMetric",
        "getUsageMetrics",
        "aggregateUsageMetrics",
    ),
    "src/utils/logger.ts": ("logger",),
}
_INVOICE_FUNCTIONS: Needs = {
    **_USAGE_FUNCTIONS,
    "src/services/invoiceService.ts": (
        "createInvoice",
        "getInvoices",
        "getInvoiceById",
        "updateInvoiceStatus",
    ),
}
_PAYMENT_FUNCTIONS: Needs = {
    "src/services/paymentService.ts": ("createPayment", "processStripePayment", "getPayments"),
    "src/utils/logger.ts": ("logger",),
}
_SUBSCRIPTION_FUNCTIONS: Needs = {
    "src/services/subscriptionService.ts": (
        "upsertSubscription",
        "getSubscription",
        "cancelSubscription",
    ),
    "src/utils/logger.ts": ("logger",),
}
_ENTRY_POINT: Needs = {
    "src/index.ts": ("/api/health", "/api/ready"),
    "src/utils/logger.ts": ("logger",),
}
_ROUTES: Needs = {
    **_ENTRY_POINT,
    **_INVOICE_FUNCTIONS,
    **_SUBSCRIPTION_FUNCTIONS,
    "src/routes/index.ts": ("/api/v1/billing",),
    "src/routes/billingRoutes.ts": (
        *("/usage", "/usage/aggregated", "/invoices", "/invoices/:id", "/invoices/:id/status"),
        *("/subscriptions", "/subscriptions/:tenantId", "/subscriptions/:tenantId/cancel"),
    ),
    "src/middlewares/transactionId.ts": ("transactionIdMiddleware",),
    "src/middlewares/authMiddleware.ts": ("jwtAuthMiddleware", "requireRole"),
}

_PRISMA = Shipped(
    name="billing-prisma",
    service=BILLING_SERVICE,
    needs={
        "tests/invoiceService.test.ts": _INVOICE_FUNCTIONS,
        "tests/paymentService.test.ts": _PAYMENT_FUNCTIONS,
        "tests/subscriptionService.test.ts": _SUBSCRIPTION_FUNCTIONS,
        "tests/usageMeteringService.test.ts": _USAGE_FUNCTIONS,
        "tests/usageMeteringWorker.test.ts": {
            **_USAGE_FUNCTIONS,
            "src/workers/usageMeteringWorker.ts": ("collectUsageMetrics", "runWorker"),
        },
        "tests/http.test.ts": _ROUTES,
        "tests/startup.test.ts": {**_ENTRY_POINT, "src/utils/datadog.ts": ()},
        "tests/support/running.ts": _ENTRY_POINT,
    },
    # What is beside the four services may be missing; then so is what asks it.
    companions=frozenset(
        {
            "tests/startup.test.ts",
            "tests/support/running.ts",
            "tests/usageMeteringWorker.test.ts",
        }
    ),
)

SUITES = (_ORDER, _PRISMA)
"""The interface that the order has in mind first: where two fit alike, it is the one."""
