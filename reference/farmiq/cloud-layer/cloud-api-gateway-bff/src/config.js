'use strict';

const config = {
  port: Number(process.env.PORT || 5125),
  jwtSecret: process.env.JWT_SECRET,
  serviceApiKey: process.env.SERVICE_API_KEY,
  databaseUrl: process.env.DATABASE_URL,
  upstreamTimeoutMs: Number(process.env.UPSTREAM_TIMEOUT_MS || 4000),
  upstreams: {
    identity: process.env.IDENTITY_BASE_URL || 'http://localhost:5120',
    tenants: process.env.TENANT_REGISTRY_BASE_URL || 'http://localhost:5121',
    analytics: process.env.ANALYTICS_BASE_URL || 'http://localhost:5124',
    billing: process.env.BILLING_BASE_URL || 'http://localhost:5145',
  },
};

function requireSettings() {
  const absent = ['jwtSecret', 'serviceApiKey'].filter((name) => !config[name]);
  if (absent.length > 0) {
    throw new Error(`not configured: ${absent.join(', ')}`);
  }
}

module.exports = { config, requireSettings };
