'use strict';

const express = require('express');
const helmet = require('helmet');
const jwt = require('jsonwebtoken');
const { config } = require('./config');
const { readLayout, writeLayout } = require('./layouts');
const { UpstreamError, ask, askForData } = require('./upstream');

const app = express();

app.disable('x-powered-by');
app.use(helmet());
app.use(express.json({ limit: '100kb' }));

function authenticate(req, res, next) {
  const [scheme, token] = (req.get('authorization') || '').split(' ');
  if (scheme !== 'Bearer' || !token) {
    res.status(401).json({ error: { code: 'UNAUTHENTICATED' } });
    return;
  }
  try {
    req.user = jwt.verify(token, config.jwtSecret, { algorithms: ['HS256'] });
    next();
  } catch {
    res.status(401).json({ error: { code: 'UNAUTHENTICATED' } });
  }
}

function route(handler) {
  return (req, res, next) => {
    handler(req, res).catch(next);
  };
}

app.get('/api/health', (req, res) => {
  res.json({ status: 'ok', service: 'cloud-api-gateway-bff' });
});

function passedOn(req) {
  const headers = {};
  if (req.get('x-request-id')) {
    headers['x-request-id'] = req.get('x-request-id');
  }
  return headers;
}

async function signIn(req, res) {
  const answer = await ask('identity', '/api/v1/auth/login', {
    method: 'POST',
    body: req.body,
    headers: passedOn(req),
  });
  res.status(answer.status).json(answer.body);
}

async function renew(req, res) {
  const answer = await ask('identity', '/api/v1/auth/refresh', {
    method: 'POST',
    body: req.body,
    headers: passedOn(req),
  });
  res.status(answer.status).json(answer.body);
}

app.post('/api/v1/auth/login', route(signIn));
app.post('/api/v1/auth/refresh', route(renew));

app.get(
  '/api/v1/overview',
  authenticate,
  route(async (req, res) => {
    const authorization = req.get('authorization');
    const [tenant, kpis, invoices] = await Promise.allSettled([
      askForData('tenants', '/api/v1/tenants/current', authorization),
      askForData('analytics', '/api/v1/analytics/kpis', authorization),
      askForData('billing', '/api/v1/billing/invoices', authorization),
    ]);
    const value = (part) => (part.status === 'fulfilled' ? part.value : null);
    res.json({ tenant: value(tenant), kpis: value(kpis), invoices: value(invoices) });
  }),
);

app.get(
  '/api/v1/layout',
  authenticate,
  route(async (req, res) => {
    res.json({ layout: await readLayout(req.user.sub) });
  }),
);

app.put(
  '/api/v1/layout',
  authenticate,
  route(async (req, res) => {
    const kept = await writeLayout(req.user.sub, req.body);
    res.status(kept ? 204 : 503).end();
  }),
);

app.use((req, res) => {
  res.status(404).json({ error: { code: 'NOT_FOUND' } });
});

app.use((error, req, res, next) => {
  if (res.headersSent) {
    next(error);
    return;
  }
  const status = error instanceof UpstreamError ? 502 : error.status || 500;
  res.status(status).json({ error: { code: status === 502 ? 'UPSTREAM' : 'FAILED' } });
});

module.exports = app;
