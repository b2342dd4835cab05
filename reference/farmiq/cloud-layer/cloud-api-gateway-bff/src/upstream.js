'use strict';

const { config } = require('./config');

class UpstreamError extends Error {
  constructor(service, status) {
    super(`${service} answered ${status}`);
    this.service = service;
    this.status = status;
  }
}

async function ask(service, path, { method = 'GET', body, authorization, headers: more } = {}) {
  const headers = { ...more, 'x-service-key': config.serviceApiKey };
  if (authorization) {
    headers.authorization = authorization;
  }
  if (body !== undefined) {
    headers['content-type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(`${config.upstreams[service]}${path}`, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(config.upstreamTimeoutMs),
    });
  } catch {
    throw new UpstreamError(service, 504);
  }
  const answer = await response.json().catch(() => null);
  return { status: response.status, body: answer };
}

async function askForData(service, path, authorization) {
  const answer = await ask(service, path, { authorization });
  if (answer.status >= 400) {
    throw new UpstreamError(service, answer.status);
  }
  return answer.body;
}

module.exports = { UpstreamError, ask, askForData };
