import { SubscriptionService, subscriptionService } from '../src/services/subscriptionService';
import { MemoryStore } from '../src/store/memoryStore';
import { FixedClock } from './support/clock';

describe('SubscriptionService', () => {
  let clock: FixedClock;
  let store: MemoryStore;
  let service: SubscriptionService;

  beforeEach(() => {
    clock = new FixedClock('2025-04-01T00:00:00Z');
    store = new MemoryStore();
    service = new SubscriptionService(store, clock);
  });

  describe('the shared instance', () => {
    it('upgrades a tenant', async () => {
      const result = await subscriptionService.upgrade('tenant-1', 'enterprise');

      expect(result.plan).toBe('enterprise');
      expect(result.effectiveDate).toBeInstanceOf(Date);
    });

    it('charges the rest of the period where it is asked to', async () => {
      const result = await subscriptionService.upgrade('tenant-2', 'enterprise', { prorate: true });

      expect(result.proratedAmount).toBeGreaterThan(0);
    });

    it('cancels', async () => {
      const result = await subscriptionService.cancel('tenant-3');

      expect(result.status).toBe('cancelled');
      expect(result.endDate.getTime()).toBeGreaterThan(Date.now());
    });
  });

  describe('upgrade', () => {
    it('takes effect at once', async () => {
      await service.subscribe('t', 'starter');
      clock.set('2025-04-10T12:00:00Z');

      const result = await service.upgrade('t', 'professional');

      expect(result.effectiveDate).toEqual(new Date('2025-04-10T12:00:00Z'));
      expect(result.proratedAmount).toBe(0);
      await expect(service.get('t')).resolves.toMatchObject({ plan: 'professional', version: 2 });
    });

    it.each([
      ['the first day of 30', '2025-04-01T00:00:00Z', '2025-04-01T00:00:00Z', 450],
      ['half of 30 days', '2025-04-01T00:00:00Z', '2025-04-16T00:00:00Z', 225],
      ['a day that has begun', '2025-04-01T00:00:00Z', '2025-04-30T18:00:00Z', 15],
      ['half of 28 days', '2025-02-01T00:00:00Z', '2025-02-15T00:00:00Z', 225],
      ['15 of 29 days in a leap year', '2024-02-01T00:00:00Z', '2024-02-15T00:00:00Z', 232.76],
      ['1900 rules: no leap day in 2100', '2100-02-01T00:00:00Z', '2100-02-15T00:00:00Z', 225],
      ['10 of 31 days across new year', '2024-12-15T00:00:00Z', '2025-01-05T00:00:00Z', 145.16],
      ['the second period', '2025-03-10T00:00:00Z', '2025-04-25T00:00:00Z', 225],
    ])('prorates %s', async (_name, start, at, amount) => {
      clock.set(start);
      await service.subscribe('t', 'starter');
      clock.set(at);

      const result = await service.upgrade('t', 'enterprise', { prorate: true });

      expect(result.proratedAmount).toBe(amount);
    });

    it('keeps the 31st as anchor through a shorter month', async () => {
      clock.set('2024-01-31T00:00:00Z');
      await service.subscribe('t', 'starter');

      clock.set('2024-02-28T00:00:00Z');
      await expect(service.cancel('t')).resolves.toMatchObject({
        endDate: new Date('2024-02-29T00:00:00Z'),
      });
      await service.upgrade('t', 'professional');
      clock.set('2024-02-29T00:00:00Z');
      await expect(service.cancel('t')).resolves.toMatchObject({
        endDate: new Date('2024-03-31T00:00:00Z'),
      });
    });

    it('charges a retry of the same upgrade once', async () => {
      await service.subscribe('t', 'starter');

      const first = await service.upgrade('t', 'enterprise', { prorate: true });
      const retry = await service.upgrade('t', 'enterprise', { prorate: true });

      expect(first.proratedAmount).toBe(450);
      expect(retry).toMatchObject({ plan: 'enterprise', proratedAmount: 0 });
    });

    it('charges each step of two upgrades its own difference', async () => {
      await service.subscribe('t', 'starter');

      const first = await service.upgrade('t', 'professional', { prorate: true });
      const second = await service.upgrade('t', 'enterprise', { prorate: true });

      expect([first.proratedAmount, second.proratedAmount]).toEqual([150, 300]);
    });

    it('charges later what an upgrade without proration left out', async () => {
      await service.subscribe('t', 'starter');
      await service.upgrade('t', 'enterprise');

      const result = await service.upgrade('t', 'enterprise', { prorate: true });

      expect(result.proratedAmount).toBe(450);
    });

    it('owes nothing for the new plan once its period is renewed', async () => {
      await service.subscribe('t', 'starter');
      await service.upgrade('t', 'enterprise');
      clock.set('2025-05-02T00:00:00Z');

      const result = await service.upgrade('t', 'enterprise', { prorate: true });

      expect(result.proratedAmount).toBe(0);
    });

    it('refuses a cheaper plan and one that does not exist', async () => {
      await service.subscribe('t', 'professional');

      await expect(service.upgrade('t', 'starter')).rejects.toThrow('NOT_AN_UPGRADE');
      await expect(service.upgrade('t', 'platinum')).rejects.toThrow('UNKNOWN_PLAN');
      await expect(service.upgrade('t', 'constructor')).rejects.toThrow('UNKNOWN_PLAN');
      await expect(service.get('t')).resolves.toMatchObject({ plan: 'professional', version: 1 });
    });

    it('charges once where upgrades race', async () => {
      await service.subscribe('t', 'starter');

      const results = await Promise.all(
        Array.from({ length: 3 }, () => service.upgrade('t', 'enterprise', { prorate: true })),
      );

      const charged = results.reduce((sum, result) => sum + result.proratedAmount, 0);
      expect(charged).toBe(450);
    });

    it('gives up where the record never holds still', async () => {
      jest.spyOn(store, 'saveSubscription').mockResolvedValue(false);

      await expect(service.upgrade('t', 'enterprise')).rejects.toThrow('CONFLICT');
      expect(store.saveSubscription).toHaveBeenCalledTimes(5);
    });
  });

  describe('cancel', () => {
    it('ends with the period that is paid for', async () => {
      await service.subscribe('t', 'starter');
      clock.set('2025-04-10T00:00:00Z');

      const result = await service.cancel('t');

      expect(result.endDate).toEqual(new Date('2025-05-01T00:00:00Z'));
      expect(result.creditAmount).toBe(0);
      await expect(service.get('t')).resolves.toMatchObject({ status: 'cancelled' });
    });

    it('gives back the days left where it ends at once', async () => {
      await service.subscribe('t', 'professional');
      clock.set('2025-04-16T00:00:00Z');

      const result = await service.cancel('t', { immediately: true });

      expect(result.endDate).toEqual(new Date('2025-04-16T00:00:00Z'));
      expect(result.creditAmount).toBe(99.5);
    });

    it('changes nothing the second time', async () => {
      await service.subscribe('t', 'starter');
      const first = await service.cancel('t');
      clock.set('2025-04-20T00:00:00Z');

      const second = await service.cancel('t', { immediately: true });

      expect(second).toEqual({ ...first, creditAmount: 0 });
    });

    it('is taken back by an upgrade before the end', async () => {
      await service.subscribe('t', 'starter');
      await service.cancel('t');

      await service.upgrade('t', 'professional');

      await expect(service.get('t')).resolves.toMatchObject({ status: 'active', endDate: null });
    });

    it('starts anew on the first plan after the end', async () => {
      await service.subscribe('t', 'enterprise');
      await service.cancel('t');
      clock.set('2025-05-01T00:00:00Z');

      const result = await service.upgrade('t', 'professional', { prorate: true });

      expect(result.proratedAmount).toBe(150);
      await expect(service.get('t')).resolves.toMatchObject({
        anchor: '2025-05-01T00:00:00.000Z',
      });
    });
  });

  describe('subscribe', () => {
    it('refuses a tenant that has a subscription', async () => {
      await service.subscribe('t', 'starter');

      await expect(service.subscribe('t', 'enterprise')).rejects.toThrow('CONFLICT');
    });

    it('takes a tenant back after the end', async () => {
      await service.subscribe('t', 'starter');
      await service.cancel('t', { immediately: true });

      await expect(service.subscribe('t', 'enterprise')).resolves.toMatchObject({
        plan: 'enterprise',
        status: 'active',
        version: 3,
      });
    });

    it('lets one of two racing requests win', async () => {
      const attempts = await Promise.allSettled([
        service.subscribe('t', 'starter'),
        service.subscribe('t', 'enterprise'),
      ]);

      expect(attempts.map((attempt) => attempt.status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(attempts.find((attempt) => attempt.status === 'rejected')).toMatchObject({
        reason: { code: 'CONFLICT' },
      });
    });

    it('says where there is none', async () => {
      await expect(service.get('nobody')).rejects.toThrow('SUBSCRIPTION_NOT_FOUND');
    });
  });
});
