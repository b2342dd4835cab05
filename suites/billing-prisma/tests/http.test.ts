import { database } from './support/prisma';
import { provider } from './support/stripe';
import { bearer, start, type Running } from './support/running';
import { logger } from '../src/utils/logger';

jest.mock('@prisma/client', () => jest.requireActual('./support/prisma'), { virtual: true });
jest.mock('stripe', () => jest.requireActual('./support/stripe'), { virtual: true });

const BILLING = '/api/v1/billing';
const WINDOW = { periodStart: '2025-01-01T00:00:00.000Z', periodEnd: '2025-02-01T00:00:00.000Z' };
const USAGE = { tenantId: 't', metricType: 'devices', value: 3, period: 'monthly', ...WINDOW };
const PLAN = { tenantId: 't', plan: 'standard', billingCycle: 'monthly' };

const environment = { ...process.env };
let service: Running;

beforeAll(async () => {
  service = await start(() => import('../src/index'));
});

afterAll(async () => {
  await service.stop();
});

beforeEach(() => {
  database.reset();
  provider.update.mockReset();
  logger.silent = true;
});

afterEach(() => {
  process.env.NODE_ENV = environment.NODE_ENV;
  delete process.env.JWT_SECRET;
});

function ask(method: string, path: string, body?: unknown, headers?: object) {
  return service.ask(method, `${BILLING}${path}`, body, headers);
}

function failing(code: string, traceId = 'trace-1') {
  return { error: { code, message: expect.any(String), traceId } };
}

describe('the service', () => {
  it('connects to its database and is healthy', async () => {
    const answer = await service.ask('GET', '/api/health');

    expect(database.connected).toBe(true);
    expect(answer).toMatchObject({ status: 200, body: 'OK' });
  });

  it('is ready while its database answers, and not else', async () => {
    await expect(service.ask('GET', '/api/ready')).resolves.toMatchObject({
      status: 200,
      body: { status: 'ready' },
    });

    database.failure = new Error('password=hunter2');
    const answer = await service.ask('GET', '/api/ready');

    expect(answer).toMatchObject({ status: 503, body: { status: 'not ready' } });
    expect(JSON.stringify(answer.body)).not.toContain('hunter2');
  });

  it('sends security headers and does not name its framework', async () => {
    const { headers } = await service.ask('GET', '/api/health');

    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('x-powered-by')).toBeNull();
  });

  it('hands the numbers of a request back, and makes some where there are none', async () => {
    const given = { 'x-request-id': 'request-1', 'x-trace-id': 'trace-1' };
    const told = (await service.ask('GET', '/api/health', undefined, given)).headers;
    const made = (await service.ask('GET', '/api/health')).headers;

    expect(told.get('x-request-id')).toBe('request-1');
    expect(told.get('x-trace-id')).toBe('trace-1');
    expect(made.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect(made.get('x-trace-id')).not.toBe(made.get('x-request-id'));
  });
});

describe('usage', () => {
  it('is recorded and shown', async () => {
    const made = await ask('POST', '/usage', USAGE);
    expect(made).toMatchObject({ status: 201, body: { tenantId: 't', value: 3, ...WINDOW } });

    const shown = await ask('GET', '/usage?tenantId=t&metricType=devices&period=monthly');
    expect(shown).toMatchObject({ status: 200, body: { total: 1, data: [made.body] } });
  });

  it('takes a quantity of nothing', async () => {
    await expect(ask('POST', '/usage', { ...USAGE, value: 0 })).resolves.toMatchObject({
      status: 201,
      body: { value: 0 },
    });
  });

  it('is shown for a window', async () => {
    await ask('POST', '/usage', USAGE);

    const within = await ask('GET', '/usage?tenantId=t&startDate=2025-01-01&endDate=2025-02-01');
    const later = await ask('GET', '/usage?tenantId=t&startDate=2025-01-02');

    expect(within.body.total).toBe(1);
    expect(later.body).toEqual({ data: [], total: 0 });
  });

  it('is added up for a window', async () => {
    await ask('POST', '/usage', USAGE);
    await ask('POST', '/usage', { ...USAGE, value: 4 });
    const window = 'startDate=2025-01-01&endDate=2025-02-01';

    await expect(ask('GET', `/usage/aggregated?tenantId=t&${window}`)).resolves.toMatchObject({
      status: 200,
      body: { devices: 7 },
    });
  });

  it('is added up for the last thirty days where no window is given', async () => {
    const day = 24 * 60 * 60 * 1000;
    const ago = (days: number) => new Date(Date.now() - days * day).toISOString();
    await ask('POST', '/usage', { ...USAGE, periodStart: ago(29), periodEnd: ago(28) });
    await ask('POST', '/usage', { ...USAGE, periodStart: ago(32), periodEnd: ago(31) });

    await expect(ask('GET', '/usage/aggregated?tenantId=t')).resolves.toMatchObject({
      body: { devices: 3 },
    });
  });
});

describe('invoices', () => {
  const period = { tenantId: 't', ...WINDOW };

  it('bill the usage of their period, in a currency', async () => {
    await ask('POST', '/usage', USAGE);

    await expect(ask('POST', '/invoices', period)).resolves.toMatchObject({
      status: 201,
      body: {
        amount: '30',
        currency: 'USD',
        status: 'draft',
        dueDate: '2025-03-03T00:00:00.000Z',
        lineItems: [{ quantity: 3, unitPrice: 10, amount: 30 }],
      },
    });
  });

  it('keep a due date that is given', async () => {
    const dueDate = '2025-06-01T00:00:00.000Z';

    await expect(ask('POST', '/invoices', { ...period, dueDate })).resolves.toMatchObject({
      body: { dueDate },
    });
  });

  it('are listed, shown and paid', async () => {
    const { id } = (await ask('POST', '/invoices', period)).body;

    await expect(ask('PATCH', `/invoices/${id}/status`, { status: 'paid' })).resolves.toMatchObject(
      { status: 200, body: { status: 'paid', paidAt: expect.any(String) } },
    );
    await expect(ask('GET', `/invoices/${id}`)).resolves.toMatchObject({
      status: 200,
      body: { id, status: 'paid', payments: [] },
    });
    await expect(ask('GET', '/invoices?tenantId=t&status=paid')).resolves.toMatchObject({
      status: 200,
      body: { total: 1, data: [{ id }] },
    });
    await expect(ask('GET', '/invoices?tenantId=t&status=draft')).resolves.toMatchObject({
      body: { total: 0, data: [] },
    });
  });

  it('are listed for a window', async () => {
    await ask('POST', '/invoices', period);
    const list = (window: string) => ask('GET', `/invoices?tenantId=t&${window}`);

    expect((await list('startDate=2025-01-01&endDate=2025-01-02')).body.total).toBe(1);
    expect((await list('startDate=2025-01-02')).body.total).toBe(0);
  });
});

describe('subscriptions', () => {
  it('are made, shown and cancelled for the end of their period', async () => {
    const made = await ask('POST', '/subscriptions', { ...PLAN, stripeSubscriptionId: 'sub-1' });
    expect(made).toMatchObject({ status: 200, body: { ...PLAN, status: 'active' } });

    await expect(ask('GET', '/subscriptions/t')).resolves.toMatchObject({
      status: 200,
      body: { ...PLAN, stripeSubscriptionId: 'sub-1' },
    });
    await expect(ask('PATCH', '/subscriptions/t/cancel', {})).resolves.toMatchObject({
      status: 200,
      body: { status: 'active', cancelAtPeriodEnd: true },
    });
    expect(provider.update.mock.calls).toEqual([['sub-1', { cancel_at_period_end: true }]]);
  });

  it('end at once when that is asked for', async () => {
    await ask('POST', '/subscriptions', PLAN);

    await expect(
      ask('PATCH', '/subscriptions/t/cancel', { cancelAtPeriodEnd: false }),
    ).resolves.toMatchObject({ body: { status: 'cancelled', cancelAtPeriodEnd: false } });
  });
});

describe('a refusal', () => {
  const traced = { 'x-trace-id': 'trace-1' };

  it.each([
    ['POST', '/usage', { ...USAGE, value: undefined }],
    ['POST', '/usage', { ...USAGE, periodEnd: '' }],
    ['GET', '/usage', undefined],
    ['GET', '/usage/aggregated', undefined],
    ['POST', '/invoices', { tenantId: 't' }],
    ['GET', '/invoices', undefined],
    ['PATCH', '/invoices/one/status', {}],
    ['POST', '/subscriptions', { tenantId: 't', plan: 'standard' }],
  ])('answers %s %s with what is missing', async (method, path, body) => {
    await expect(ask(method, path, body, traced)).resolves.toMatchObject({
      status: 400,
      body: failing('VALIDATION_ERROR'),
    });
    expect(database.tables).toEqual({});
  });

  it.each([
    ['GET', '/invoices/unknown', undefined],
    ['PATCH', '/invoices/unknown/status', { status: 'paid' }],
    ['GET', '/subscriptions/unknown', undefined],
    ['PATCH', '/subscriptions/unknown/cancel', {}],
  ])('answers %s %s where nothing is found', async (method, path, body) => {
    await expect(ask(method, path, body, traced)).resolves.toMatchObject({
      status: 404,
      body: failing('NOT_FOUND'),
    });
  });

  it.each([
    ['POST', '/usage', USAGE],
    ['GET', '/usage?tenantId=t', undefined],
    ['GET', '/usage/aggregated?tenantId=t', undefined],
    ['POST', '/invoices', { tenantId: 't', ...WINDOW }],
    ['GET', '/invoices?tenantId=t', undefined],
    ['GET', '/invoices/one', undefined],
    ['PATCH', '/invoices/one/status', { status: 'paid' }],
    ['POST', '/subscriptions', PLAN],
    ['GET', '/subscriptions/t', undefined],
    ['PATCH', '/subscriptions/t/cancel', {}],
  ])('tells nothing of a failure behind %s %s', async (method, path, body) => {
    database.failure = new Error('password=hunter2');

    const answer = await ask(method, path, body, traced);

    expect(answer).toMatchObject({ status: 500, body: failing('INTERNAL_ERROR') });
    expect(JSON.stringify(answer.body)).not.toContain('hunter2');
  });
});

describe('in production', () => {
  const admin = { sub: 'a', roles: ['platform_admin'], tenant_id: 't' };

  beforeEach(() => {
    process.env.NODE_ENV = 'production';
  });

  it.each([
    ['no token', {}],
    ['no bearer', { authorization: 'Basic abc' }],
  ])('lets nobody in with %s', async (_, headers) => {
    await expect(ask('GET', '/usage?tenantId=t', undefined, headers)).resolves.toMatchObject({
      status: 401,
      body: failing('UNAUTHORIZED', expect.any(String)),
    });
  });

  it.each([
    ['POST', '/usage', USAGE],
    ['POST', '/invoices', { tenantId: 't', ...WINDOW }],
    ['PATCH', '/invoices/one/status', { status: 'paid' }],
    ['POST', '/subscriptions', PLAN],
    ['PATCH', '/subscriptions/t/cancel', {}],
  ])('leaves %s %s to administrators', async (method, path, body) => {
    await expect(ask(method, path, body, bearer({ roles: ['viewer'] }))).resolves.toMatchObject({
      status: 403,
      body: failing('FORBIDDEN', expect.any(String)),
    });
    expect(database.tables).toEqual({});
  });

  it('lets an administrator write, with one role or several', async () => {
    await expect(ask('POST', '/usage', USAGE, bearer(admin))).resolves.toMatchObject({
      status: 201,
    });
    const one = bearer({ ...admin, roles: 'platform_admin' });
    await expect(ask('POST', '/usage', USAGE, one)).resolves.toMatchObject({ status: 201 });
  });

  it("shows the token's tenant, whatever the address asks for", async () => {
    await ask('POST', '/usage', { ...USAGE, tenantId: 'victim' }, bearer(admin));
    await ask('POST', '/usage', USAGE, bearer(admin));

    const viewer = bearer({ roles: ['viewer'], tenant_id: 't' });
    const { body } = await ask('GET', '/usage?tenantId=victim', undefined, viewer);

    expect(body).toMatchObject({ total: 1, data: [{ tenantId: 't' }] });
  });

  it('gives a broken token no role', async () => {
    bearer({});
    const broken = { authorization: 'Bearer a.%.c' };

    const answer = await ask('POST', '/usage', USAGE, broken);

    expect([401, 403]).toContain(answer.status);
    expect(database.tables).toEqual({});
  });
});

describe('outside production', () => {
  it('works without a token and without a key', async () => {
    await expect(ask('POST', '/usage', USAGE)).resolves.toMatchObject({ status: 201 });
    const token = bearer({ roles: ['viewer'] });
    delete process.env.JWT_SECRET;
    await expect(ask('POST', '/usage', USAGE, token)).resolves.toMatchObject({ status: 201 });
  });
});
