-- One database per service. Runs on the first start of an empty volume, and is safe to run again.
SELECT format('CREATE DATABASE %I', wanted.name)
FROM (VALUES
    ('cloud_identity_access'),
    ('cloud_tenant_registry'),
    ('cloud_ingestion'),
    ('cloud_telemetry'),
    ('cloud_analytics'),
    ('cloud_advanced_analytics'),
    ('cloud_llm_insights'),
    ('cloud_inference'),
    ('cloud_billing'),
    ('cloud_data_pipeline'),
    ('cloud_feed_planner'),
    ('cloud_feed_service'),
    ('cloud_barn_records'),
    ('cloud_weighvision'),
    ('cloud_media_store'),
    ('cloud_notification'),
    ('cloud_audit_log'),
    ('cloud_config_rules'),
    ('cloud_reporting_export'),
    ('cloud_standards'),
    ('cloud_ml_models'),
    ('cloud_hybrid_router')
) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = wanted.name)
\gexec
