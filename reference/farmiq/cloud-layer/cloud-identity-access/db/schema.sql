CREATE TABLE IF NOT EXISTS users (
    id            uuid PRIMARY KEY,
    tenant_id     text NOT NULL,
    email         text NOT NULL UNIQUE,
    display_name  text NOT NULL,
    password_hash text NOT NULL,
    role          text NOT NULL DEFAULT 'farmer',
    active        boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now()
);
