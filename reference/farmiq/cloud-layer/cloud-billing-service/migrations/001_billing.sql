CREATE TABLE IF NOT EXISTS invoices (
    id text PRIMARY KEY,
    tenant_id text NOT NULL,
    idempotency_key text,
    status text NOT NULL,
    document jsonb NOT NULL,
    issued_at timestamptz NOT NULL,
    UNIQUE (tenant_id, idempotency_key)
);

CREATE TABLE IF NOT EXISTS ledger_entries (
    id text PRIMARY KEY,
    invoice_id text NOT NULL REFERENCES invoices (id),
    event_id text UNIQUE,
    kind text NOT NULL,
    amount_minor bigint NOT NULL,
    currency text NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS ledger_entries_invoice ON ledger_entries (invoice_id);

CREATE TABLE IF NOT EXISTS subscriptions (
    tenant_id text PRIMARY KEY,
    version integer NOT NULL,
    document jsonb NOT NULL
);

CREATE TABLE IF NOT EXISTS usage_events (
    tenant_id text NOT NULL,
    id text NOT NULL,
    metric text NOT NULL,
    quantity double precision NOT NULL,
    occurred_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id)
);

CREATE INDEX IF NOT EXISTS usage_events_window ON usage_events (tenant_id, metric, occurred_at);
