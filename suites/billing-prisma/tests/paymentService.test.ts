import { database, Prisma } from './support/prisma';
import { provider } from './support/stripe';
import { createPayment, getPayments, processStripePayment } from '../src/services/paymentService';
import { logger } from '../src/utils/logger';

jest.mock('@prisma/client', () => jest.requireActual('./support/prisma'), { virtual: true });
jest.mock('stripe', () => jest.requireActual('./support/stripe'), { virtual: true });

const NOW = new Date('2025-01-15T12:00:00Z');

describe('payments', () => {
  let failed: jest.SpyInstance;

  beforeEach(() => {
    database.reset();
    provider.retrieve.mockReset();
    logger.silent = true;
    failed = jest.spyOn(logger, 'error');
    jest.useFakeTimers({ now: NOW });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('begins as pending, with what was given', async () => {
    const payment = await createPayment('invoice', 12.5, 'USD', 'bank_transfer', 'slip-1');

    expect(payment).toMatchObject({
      invoiceId: 'invoice',
      currency: 'USD',
      paymentMethod: 'bank_transfer',
      status: 'pending',
      externalId: 'slip-1',
    });
    expect(payment.amount).toBeInstanceOf(Prisma.Decimal);
    expect(Number(payment.amount)).toBe(12.5);
  });

  it('tells the log which payment was made', async () => {
    const informed = jest.spyOn(logger, 'info');

    const payment = await createPayment('invoice', 1, 'USD', 'cash');

    expect(informed).toHaveBeenCalledWith(expect.stringMatching(/payment/i), {
      paymentId: payment.id,
      invoiceId: 'invoice',
    });
  });

  it('books what the provider took, cents as units, and settles the invoice', async () => {
    const invoice = database.insert('invoice', { status: 'sent' });
    provider.retrieve.mockResolvedValue({ amount: 1999, currency: 'thb', status: 'succeeded' });

    const payment = await processStripePayment(invoice.id, 'intent-1');

    expect(provider.retrieve.mock.calls).toEqual([['intent-1']]);
    expect(Number(payment.amount)).toBe(19.99);
    expect(database.rows('payment')).toEqual([
      expect.objectContaining({
        invoiceId: invoice.id,
        currency: 'thb',
        paymentMethod: 'stripe',
        externalId: 'intent-1',
        status: 'completed',
        completedAt: NOW,
      }),
    ]);
    expect(database.rows('invoice')).toEqual([
      expect.objectContaining({ status: 'paid', paidAt: NOW }),
    ]);
  });

  it.each(['processing', 'requires_action', 'canceled'])(
    'leaves the invoice open while the provider says %s',
    async (status) => {
      const invoice = database.insert('invoice', { status: 'sent' });
      provider.retrieve.mockResolvedValue({ amount: 500, currency: 'usd', status });

      await processStripePayment(invoice.id, 'intent-1');

      expect(database.rows('payment')[0]).toMatchObject({ status: 'pending' });
      expect(database.rows('payment')[0]?.completedAt).toBeUndefined();
      expect(database.rows('invoice')[0]).toMatchObject({ status: 'sent' });
    },
  );

  it('books nothing when the provider refuses', async () => {
    provider.retrieve.mockRejectedValue(new Error('no such intent'));

    await expect(processStripePayment('invoice', 'intent-1')).rejects.toThrow('no such intent');
    expect(database.rows('payment')).toEqual([]);
    expect(failed).toHaveBeenCalledWith(
      expect.stringMatching(/payment/i),
      expect.objectContaining({ message: 'no such intent' }),
    );
  });

  it('makes its client with the key it is given', () => {
    expect(provider.keys).toContain(process.env.STRIPE_SECRET_KEY);
  });

  it('takes no payment without a key', async () => {
    const key = process.env.STRIPE_SECRET_KEY;
    delete process.env.STRIPE_SECRET_KEY;
    try {
      await jest.isolateModulesAsync(async () => {
        const alone = await import('../src/services/paymentService');
        (await import('../src/utils/logger')).logger.silent = true;
        await expect(alone.processStripePayment('invoice', 'intent')).rejects.toThrow(
          /not configured/i,
        );
      });
    } finally {
      process.env.STRIPE_SECRET_KEY = key;
    }
    expect(provider.retrieve).not.toHaveBeenCalled();
    expect(database.rows('payment')).toEqual([]);
  });

  it('shows the payments of one invoice, the latest first', async () => {
    await createPayment('invoice', 1, 'USD', 'cash');
    await createPayment('another', 2, 'USD', 'cash');
    await createPayment('invoice', 3, 'USD', 'cash');

    const payments: any = await getPayments('invoice');

    expect(payments.map((item: any) => Number(item.amount))).toEqual([3, 1]);
  });

  it.each([
    ['booking', () => createPayment('invoice', 1, 'USD', 'cash')],
    ['listing', () => getPayments('invoice')],
  ])('passes a failure on and tells the log, when %s', async (_, act) => {
    database.failure = new Error('the database is gone');

    await expect(act()).rejects.toThrow('the database is gone');
    expect(failed).toHaveBeenCalledWith(expect.stringMatching(/payment/i), database.failure);
  });
});
