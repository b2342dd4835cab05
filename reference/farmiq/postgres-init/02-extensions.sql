-- gen_random_uuid() is in the server since 13; older dumps still call the functions of pgcrypto.
\connect cloud_identity_access
CREATE EXTENSION IF NOT EXISTS pgcrypto;

\connect cloud_tenant_registry
CREATE EXTENSION IF NOT EXISTS pgcrypto;

\connect cloud_billing
CREATE EXTENSION IF NOT EXISTS pgcrypto;
