import { UsageMeteringService, usageMeteringService } from '../src/services/usageMeteringService';
import { MemoryStore } from '../src/store/memoryStore';
import { FixedClock } from './support/clock';

const from = new Date('2025-03-01T00:00:00Z');
const to = new Date('2025-04-01T00:00:00Z');

describe('UsageMeteringService', () => {
  let service: UsageMeteringService;

  beforeEach(() => {
    service = new UsageMeteringService(new MemoryStore(), new FixedClock('2025-04-01T00:00:00Z'));
  });

  function event(id: string, quantity: number, occurredAt: string, metric = 'api_calls') {
    return { id, tenantId: 't', metric, quantity, occurredAt };
  }

  it('adds counters up', async () => {
    await service.record(event('1', 400, '2025-03-02T00:00:00Z'));
    await service.record(event('2', 350, '2025-03-03T00:00:00Z'));

    await expect(service.quantity('t', 'api_calls', from, to)).resolves.toBe(750);
  });

  it('counts an event once, however often it comes', async () => {
    const again = event('1', 400, '2025-03-02T00:00:00Z');

    await expect(service.record(again)).resolves.toEqual({ recorded: true });
    await expect(service.record(again)).resolves.toEqual({ recorded: false });

    await expect(service.quantity('t', 'api_calls', from, to)).resolves.toBe(400);
  });

  it('counts an event once where copies race', async () => {
    const copies = Array.from({ length: 8 }, () => event('1', 10, '2025-03-02T00:00:00Z'));

    const results = await Promise.all(copies.map((copy) => service.record(copy)));

    expect(results.filter((result) => result.recorded)).toHaveLength(1);
    await expect(service.quantity('t', 'api_calls', from, to)).resolves.toBe(10);
  });

  it('keeps tenants apart though their event ids are the same', async () => {
    await service.record(event('1', 10, '2025-03-02T00:00:00Z'));
    await service.record({ ...event('1', 25, '2025-03-02T00:00:00Z'), tenantId: 'u' });

    await expect(service.quantity('t', 'api_calls', from, to)).resolves.toBe(10);
    await expect(service.quantity('u', 'api_calls', from, to)).resolves.toBe(25);
  });

  it('reads a gauge by when it was taken, not by when it came', async () => {
    await service.record(event('new', 9, '2025-03-20T00:00:00Z', 'active_devices'));
    await service.record(event('old', 30, '2025-03-10T00:00:00Z', 'active_devices'));
    await service.record(event('older', 2, '2025-03-05T00:00:00Z', 'active_devices'));

    await expect(service.quantity('t', 'active_devices', from, to)).resolves.toBe(9);
  });

  it('bills the highest storage of the window', async () => {
    await service.record(event('1', 12, '2025-03-20T00:00:00Z', 'storage_gb'));
    await service.record(event('2', 18.5, '2025-03-05T00:00:00Z', 'storage_gb'));
    await service.record(event('3', 15, '2025-03-25T00:00:00Z', 'storage_gb'));

    await expect(service.quantity('t', 'storage_gb', from, to)).resolves.toBe(18.5);
  });

  it('counts the start of a window and leaves its end to the next', async () => {
    await service.record(event('first', 1, '2025-03-01T00:00:00.000Z'));
    await service.record(event('last', 2, '2025-03-31T23:59:59.999Z'));
    await service.record(event('next', 4, '2025-04-01T00:00:00.000Z'));

    await expect(service.quantity('t', 'api_calls', from, to)).resolves.toBe(3);
  });

  it('reads times in another zone as the moment they are', async () => {
    await service.record(event('bangkok', 5, '2025-03-01T06:59:59+07:00'));
    await service.record(event('later', 7, '2025-03-01T07:00:00+07:00'));

    await expect(service.quantity('t', 'api_calls', from, to)).resolves.toBe(7);
  });

  it.each(['api_calls', 'storage_gb', 'active_devices'])(
    'finds nothing in an empty window: %s',
    async (metric) => {
      await expect(usageMeteringService.quantity('nobody', metric, from, to)).resolves.toBe(0);
    },
  );

  it.each([
    ['a minus', { quantity: -1 }, 'INVALID_AMOUNT'],
    ['no number', { quantity: Number.NaN }, 'INVALID_AMOUNT'],
    ['an unknown metric', { metric: 'tea' }, 'UNKNOWN_METRIC'],
    ['a name every object has', { metric: 'constructor' }, 'UNKNOWN_METRIC'],
    ['no time', { occurredAt: 'yesterday' }, 'INVALID_REQUEST'],
    ['the future', { occurredAt: '2025-04-01T00:05:00.001Z' }, 'FUTURE_EVENT'],
    ['a closed period', { occurredAt: '2025-02-24T23:59:59.999Z' }, 'PERIOD_CLOSED'],
  ])('refuses %s', async (_name, change, code) => {
    const wrong = { ...event('1', 1, '2025-03-02T00:00:00Z'), ...change };

    await expect(service.record(wrong)).rejects.toMatchObject({ code });
  });

  it.each(['2025-04-01T00:05:00Z', '2025-02-25T00:00:00Z'])(
    'still takes the edge of what is open: %s',
    async (occurredAt) => {
      await expect(service.record(event('1', 0, occurredAt))).resolves.toEqual({ recorded: true });
    },
  );

  describe('charge', () => {
    it('bills what is above the included quantity', async () => {
      await service.record(event('1', 1250, '2025-03-02T00:00:00Z'));

      await expect(service.charge('t', 'api_calls', from, to)).resolves.toEqual({
        metric: 'api_calls',
        quantity: 1250,
        overage: 250,
        amount: 1.25,
        currency: 'THB',
      });
    });

    it('bills nothing up to the included quantity', async () => {
      await service.record(event('1', 1000, '2025-03-02T00:00:00Z'));

      await expect(service.charge('t', 'api_calls', from, to)).resolves.toMatchObject({
        overage: 0,
        amount: 0,
      });
    });

    it('bills the devices that were there at the end', async () => {
      await service.record(event('1', 20, '2025-03-02T00:00:00Z', 'active_devices'));
      await service.record(event('2', 9, '2025-03-30T00:00:00Z', 'active_devices'));

      await expect(service.charge('t', 'active_devices', from, to)).resolves.toMatchObject({
        overage: 4,
        amount: 48,
      });
    });

    it('rounds once, at the end', async () => {
      await service.record(event('1', 1001, '2025-03-02T00:00:00Z'));

      await expect(service.charge('t', 'api_calls', from, to)).resolves.toMatchObject({
        overage: 1,
        amount: 0.01,
      });
    });

    it('bills a fraction of a unit', async () => {
      await service.record(event('1', 10.2, '2025-03-02T00:00:00Z', 'storage_gb'));

      await expect(service.charge('t', 'storage_gb', from, to)).resolves.toMatchObject({
        amount: 0.5,
      });
    });
  });
});
