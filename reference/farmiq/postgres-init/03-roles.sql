-- The reporting role reads; it has no password until an operator sets one.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'farmiq_reporting') THEN
        CREATE ROLE farmiq_reporting LOGIN;
    END IF;
END
$$;

\connect cloud_data_pipeline
CREATE SCHEMA IF NOT EXISTS raw;
GRANT USAGE ON SCHEMA raw TO farmiq_reporting;
