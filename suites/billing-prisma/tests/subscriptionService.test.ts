import { database } from './support/prisma';
import { provider } from './support/stripe';
import {
  cancelSubscription,
  getSubscription,
  upsertSubscription,
} from '../src/services/subscriptionService';
import { logger } from '../src/utils/logger';

jest.mock('@prisma/client', () => jest.requireActual('./support/prisma'), { virtual: true });
jest.mock('stripe', () => jest.requireActual('./support/stripe'), { virtual: true });

const NOW = new Date(2025, 0, 15, 12);

describe('subscriptions', () => {
  let failed: jest.SpyInstance;

  beforeEach(() => {
    database.reset();
    provider.update.mockReset();
    logger.silent = true;
    failed = jest.spyOn(logger, 'error');
    jest.useFakeTimers({ now: NOW });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it('begins active, with its plan and the number that the provider knows it by', async () => {
    await expect(upsertSubscription('t', 'standard', 'monthly', 'sub-1')).resolves.toMatchObject({
      tenantId: 't',
      plan: 'standard',
      billingCycle: 'monthly',
      status: 'active',
      stripeSubscriptionId: 'sub-1',
    });
  });

  it.each([
    ['monthly', new Date(2025, 1, 15, 12)],
    ['annual', new Date(2026, 0, 15, 12)],
  ] as const)('runs for one period when it is %s', async (cycle, end) => {
    await expect(upsertSubscription('t', 'standard', cycle)).resolves.toMatchObject({
      currentPeriodStart: NOW,
      currentPeriodEnd: end,
    });
  });

  it('changes the plan of a tenant that has one, and its period', async () => {
    await upsertSubscription('t', 'standard', 'monthly', 'sub-1');
    jest.setSystemTime(new Date(2025, 0, 20, 12));

    await expect(upsertSubscription('t', 'enterprise', 'annual', 'sub-2')).resolves.toMatchObject({
      plan: 'enterprise',
      billingCycle: 'annual',
      currentPeriodStart: new Date(2025, 0, 20, 12),
      currentPeriodEnd: new Date(2026, 0, 20, 12),
      stripeSubscriptionId: 'sub-2',
    });
    expect(database.rows('subscription')).toHaveLength(1);
  });

  it('keeps one subscription a tenant', async () => {
    await upsertSubscription('t', 'standard', 'monthly');
    await upsertSubscription('u', 'trial', 'monthly');

    await expect(getSubscription('t')).resolves.toMatchObject({ plan: 'standard' });
    await expect(getSubscription('u')).resolves.toMatchObject({ plan: 'trial' });
    await expect(getSubscription('v')).resolves.toBeNull();
  });

  it('runs to the end of its period when it is cancelled without more', async () => {
    await upsertSubscription('t', 'standard', 'monthly', 'sub-1');

    await expect(cancelSubscription('t')).resolves.toMatchObject({
      status: 'active',
      cancelAtPeriodEnd: true,
    });
    expect(provider.update.mock.calls).toEqual([['sub-1', { cancel_at_period_end: true }]]);
  });

  it('ends at once when that is asked for', async () => {
    await upsertSubscription('t', 'standard', 'monthly', 'sub-1');

    await expect(cancelSubscription('t', false)).resolves.toMatchObject({
      status: 'cancelled',
      cancelAtPeriodEnd: false,
    });
    expect(provider.update.mock.calls).toEqual([['sub-1', { cancel_at_period_end: false }]]);
  });

  it('asks no provider about a subscription that it does not know', async () => {
    await upsertSubscription('t', 'standard', 'monthly');

    await expect(cancelSubscription('t', false)).resolves.toMatchObject({ status: 'cancelled' });
    expect(provider.update).not.toHaveBeenCalled();
  });

  it('stays as it was when the provider refuses', async () => {
    await upsertSubscription('t', 'standard', 'monthly', 'sub-1');
    provider.update.mockRejectedValue(new Error('no such subscription'));

    await expect(cancelSubscription('t', false)).rejects.toThrow('no such subscription');
    await expect(getSubscription('t')).resolves.toMatchObject({ status: 'active' });
    expect(database.rows('subscription')[0]?.cancelAtPeriodEnd).toBeUndefined();
  });

  it('cancels nothing for a tenant that has none', async () => {
    await upsertSubscription('t', 'standard', 'monthly', 'sub-1');

    await expect(cancelSubscription('u')).rejects.toThrow(/not found/i);
    expect(provider.update).not.toHaveBeenCalled();
  });

  it('cancels without a provider where there is no key', async () => {
    await upsertSubscription('t', 'standard', 'monthly', 'sub-1');
    const key = process.env.STRIPE_SECRET_KEY;
    delete process.env.STRIPE_SECRET_KEY;
    try {
      await jest.isolateModulesAsync(async () => {
        const alone = await import('../src/services/subscriptionService');
        await expect(alone.cancelSubscription('t', false)).resolves.toMatchObject({
          status: 'cancelled',
        });
      });
    } finally {
      process.env.STRIPE_SECRET_KEY = key;
    }
    expect(provider.update).not.toHaveBeenCalled();
  });

  it('makes its client with the key it is given', () => {
    expect(provider.keys).toContain(process.env.STRIPE_SECRET_KEY);
  });

  it.each([
    ['writing', () => upsertSubscription('t', 'standard', 'monthly')],
    ['showing', () => getSubscription('t')],
    ['cancelling', () => cancelSubscription('t')],
  ])('passes a failure on and tells the log, when %s', async (_, act) => {
    database.failure = new Error('the database is gone');

    await expect(act()).rejects.toThrow('the database is gone');
    expect(failed).toHaveBeenCalledWith(expect.stringMatching(/subscription/i), database.failure);
  });
});
