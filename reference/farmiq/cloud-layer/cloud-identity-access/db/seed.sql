-- Development users. Passwords: see the README of this service.
INSERT INTO users (id, tenant_id, email, display_name, password_hash, role) VALUES
    ('0b7a4c1e-6f1d-4a53-9d3f-1f2f6f1a0001', 'tenant-demo', 'farmer@example.com', 'Demo Farmer', '$2b$10$cUAgdIj2AWfZcUktA9YWEuLm480VqfUnA9ArLusBGVFo3K93WbvLS', 'farmer'),
    ('0b7a4c1e-6f1d-4a53-9d3f-1f2f6f1a0002', 'tenant-demo', 'admin@example.com', 'Demo Admin', '$2b$10$8cHzEo/5b8bqD0RiHScXD.vDKOHpbYFY5MO.u4AbcqLghnGDlI6OS', 'tenant_admin')
ON CONFLICT (email) DO NOTHING;
