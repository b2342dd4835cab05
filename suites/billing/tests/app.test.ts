import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createApp } from '../src/app';
import { InvoiceService } from '../src/services/invoiceService';
import { PaymentService } from '../src/services/paymentService';
import { SubscriptionService } from '../src/services/subscriptionService';
import { UsageMeteringService } from '../src/services/usageMeteringService';
import { openStore } from '../src/store/defaultStore';
import { MemoryStore } from '../src/store/memoryStore';
import { PostgresStore } from '../src/store/postgresStore';

describe('the HTTP interface', () => {
  const items = [{ description: 'Plan', quantity: 1, unitPrice: 100 }];
  let server: Server;
  let store: MemoryStore;
  let base: string;

  beforeEach(async () => {
    store = new MemoryStore();
    const app = createApp({
      invoices: new InvoiceService(store),
      payments: new PaymentService(store),
      subscriptions: new SubscriptionService(store),
      usage: new UsageMeteringService(store),
    });
    await new Promise<void>((resolve) => {
      server = app.listen(0, '127.0.0.1', () => resolve());
    });
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  async function post(path: string, body: unknown) {
    const answer = await fetch(`${base}/api/v1/billing${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: answer.status, body: (await answer.json()) as Record<string, any> };
  }

  it('is healthy and does not name its framework', async () => {
    const answer = await fetch(`${base}/api/health`);

    expect(answer.status).toBe(200);
    expect(answer.headers.get('x-powered-by')).toBeNull();
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('creates an invoice, shows it and takes its payment', async () => {
    const made = await post('/tenants/t/invoices', { items, country: 'TH' });
    expect(made).toMatchObject({ status: 201, body: { amountDue: 107 } });

    const event = { id: 'e', type: 'payment.succeeded', amount: 107, currency: 'THB' };
    const paid = { ...event, tenantId: 't', invoiceId: made.body.id };
    await expect(post('/payments/webhook', paid)).resolves.toMatchObject({
      body: { applied: true },
    });

    const shown = await fetch(`${base}/api/v1/billing/tenants/t/invoices/${made.body.id}`);
    await expect(shown.json()).resolves.toMatchObject({ status: 'paid' });
  });

  it('upgrades and cancels a subscription', async () => {
    const upgraded = await post('/tenants/t/subscription/upgrade', {
      plan: 'enterprise',
      prorate: true,
    });
    expect(upgraded).toMatchObject({ status: 200, body: { proratedAmount: 450 } });

    await expect(post('/tenants/t/subscription/cancel', {})).resolves.toMatchObject({
      body: { status: 'cancelled' },
    });
  });

  it("books usage on the tenant of the address, not on the body's", async () => {
    const occurredAt = new Date().toISOString();
    const event = { id: '1', tenantId: 'victim', metric: 'api_calls', quantity: 1, occurredAt };

    await expect(post('/tenants/t/usage', event)).resolves.toMatchObject({ status: 202 });

    const window = [new Date(0), new Date(Date.now() + 60_000)] as const;
    await expect(store.usage('victim', 'api_calls', ...window)).resolves.toEqual([]);
    await expect(store.usage('t', 'api_calls', ...window)).resolves.toHaveLength(1);
  });

  it('answers a refusal with its code', async () => {
    const keyed = { items, idempotencyKey: 'k' };
    await post('/tenants/t/invoices', keyed);

    await expect(post('/tenants/t/invoices', keyed)).resolves.toMatchObject({
      status: 409,
      body: { error: { code: 'DUPLICATE_INVOICE' } },
    });
    await expect(post('/tenants/t/invoices', { items: [] })).resolves.toMatchObject({
      status: 422,
      body: { error: { code: 'INVALID_REQUEST' } },
    });
  });

  it('answers malformed JSON with 400', async () => {
    await expect(post('/tenants/t/invoices', '{')).resolves.toMatchObject({
      status: 400,
      body: { error: { code: 'BAD_REQUEST' } },
    });
  });

  it('tells nothing of an unexpected failure', async () => {
    jest.spyOn(store, 'insertInvoice').mockRejectedValue(new Error('password=hunter2'));

    await expect(post('/tenants/t/invoices', { items })).resolves.toEqual({
      status: 500,
      body: { error: { code: 'INTERNAL' } },
    });
  });
});

describe('openStore', () => {
  it('uses the database it is given', () => {
    expect(openStore({ DATABASE_URL: 'postgresql://127.0.0.1:1/none' })).toBeInstanceOf(
      PostgresStore,
    );
  });

  it('keeps data in memory in development alone', () => {
    expect(openStore({ NODE_ENV: 'development' })).toBeInstanceOf(MemoryStore);
    expect(() => openStore({ NODE_ENV: 'production' })).toThrow('DATABASE_URL');
  });
});
