import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Pool } from 'pg';
import { InvoiceService } from '../src/services/invoiceService';
import { PaymentService } from '../src/services/paymentService';
import { SubscriptionService } from '../src/services/subscriptionService';
import { UsageMeteringService } from '../src/services/usageMeteringService';
import { PostgresStore } from '../src/store/postgresStore';

const dsn = process.env.TEST_DATABASE_URL;
const describeWithDatabase = dsn ? describe : describe.skip;

describeWithDatabase('billing on PostgreSQL', () => {
  const schema = `billing_test_${randomBytes(6).toString('hex')}`;
  const items = [{ description: 'Plan', quantity: 1, unitPrice: 249 }];
  let pools: Pool[];
  let stores: PostgresStore[];

  beforeAll(async () => {
    const open = () => new Pool({ connectionString: dsn, options: `-c search_path=${schema}` });
    pools = [open(), open()];
    stores = pools.map((pool) => new PostgresStore(pool));
    await pools[0]!.query(`CREATE SCHEMA ${schema}`);
    const migration = join(__dirname, '..', 'migrations', '001_billing.sql');
    await pools[0]!.query(readFileSync(migration, 'utf8'));
  });

  afterAll(async () => {
    await pools[0]!.query(`DROP SCHEMA ${schema} CASCADE`);
    await Promise.all(pools.map((pool) => pool.end()));
  });

  /** Two stores stand for two replicas of the service. */
  function replica(number: number): PostgresStore {
    return stores[number % stores.length]!;
  }

  it('keeps one invoice where 20 requests with a key race', async () => {
    const options = { idempotencyKey: 'race' };
    const attempts = await Promise.allSettled(
      Array.from({ length: 20 }, (_, number) =>
        new InvoiceService(replica(number)).createInvoice('t', items, options),
      ),
    );

    const refused = attempts.filter((attempt) => attempt.status === 'rejected');
    expect(refused).toHaveLength(19);
    expect(refused.every((attempt) => attempt.reason.code === 'DUPLICATE_INVOICE')).toBe(true);
    const stored = await pools[0]!.query("SELECT id FROM invoices WHERE idempotency_key = 'race'");
    expect(stored.rowCount).toBe(1);
  });

  it('returns an invoice as it was created, to its tenant alone', async () => {
    const service = new InvoiceService(replica(0));
    const invoice = await service.createInvoice('t', items, { country: 'TH' });

    await expect(service.getInvoice('t', invoice.id)).resolves.toEqual(invoice);
    await expect(service.getInvoice('u', invoice.id)).rejects.toThrow('INVOICE_NOT_FOUND');
  });

  it('takes one of ten racing full payments', async () => {
    const invoice = await new InvoiceService(replica(0)).createInvoice('t', items);
    const amount = { amount: 249, currency: 'THB' };

    const attempts = await Promise.allSettled(
      Array.from({ length: 10 }, (_, number) =>
        new PaymentService(replica(number)).recordPayment('t', invoice.id, amount),
      ),
    );

    expect(attempts.filter((attempt) => attempt.status === 'fulfilled')).toHaveLength(1);
    const service = new PaymentService(replica(1));
    await expect(service.balance('t', invoice.id)).resolves.toBe(0);
    await expect(service.recordPayment('u', invoice.id, amount)).rejects.toThrow(
      'INVOICE_NOT_FOUND',
    );
  });

  it('applies a webhook once where its replays race', async () => {
    const invoice = await new InvoiceService(replica(0)).createInvoice('t', items);
    const event = {
      id: 'evt-race',
      type: 'payment.succeeded',
      tenantId: 't',
      invoiceId: invoice.id,
      amount: 100,
      currency: 'THB',
    };

    const results = await Promise.all(
      Array.from({ length: 10 }, (_, number) =>
        new PaymentService(replica(number)).handleWebhook(event),
      ),
    );

    expect(results.filter((result) => result.applied)).toHaveLength(1);
    const stored = await new InvoiceService(replica(1)).getInvoice('t', invoice.id);
    expect(stored.status).toBe('partially_paid');
    await expect(new PaymentService(replica(1)).balance('t', invoice.id)).resolves.toBe(149);
  });

  it('charges racing upgrades once', async () => {
    await new SubscriptionService(replica(0)).subscribe('t', 'starter');

    const results = await Promise.all(
      Array.from({ length: 4 }, (_, number) =>
        new SubscriptionService(replica(number)).upgrade('t', 'enterprise', { prorate: true }),
      ),
    );

    expect(results.filter((result) => result.proratedAmount > 0)).toHaveLength(1);
    await expect(new SubscriptionService(replica(1)).get('t')).resolves.toMatchObject({
      plan: 'enterprise',
      version: 5,
    });
  });

  it('refuses to save a version that skips one', async () => {
    const subscription = await new SubscriptionService(replica(0)).subscribe('skip', 'starter');

    await expect(replica(0).saveSubscription({ ...subscription, version: 3 })).resolves.toBe(false);
    await expect(replica(0).subscription('nobody')).resolves.toBeNull();
    await expect(
      replica(0).saveSubscription({ ...subscription, tenantId: 'nobody', version: 2 }),
    ).resolves.toBe(false);
  });

  it('records usage once and reads it in the sequence it happened', async () => {
    const clock = { now: () => new Date('2025-04-01T00:00:00Z') };
    const event = { tenantId: 't', metric: 'active_devices' };
    const later = { ...event, id: '1', quantity: 9, occurredAt: '2025-03-20T00:00:00.000Z' };
    const earlier = { ...event, id: '2', quantity: 30, occurredAt: '2025-03-10T00:00:00.000Z' };

    const results = await Promise.all(
      [later, later, earlier].map((one, number) =>
        new UsageMeteringService(replica(number), clock).record(one),
      ),
    );

    expect(results.filter((result) => result.recorded)).toHaveLength(2);
    const window = [new Date('2025-03-01T00:00:00Z'), new Date('2025-04-01T00:00:00Z')] as const;
    await expect(replica(1).usage('t', 'active_devices', ...window)).resolves.toEqual([
      earlier,
      later,
    ]);
    const service = new UsageMeteringService(replica(1), clock);
    await expect(service.quantity('t', 'active_devices', ...window)).resolves.toBe(9);
  });
});
