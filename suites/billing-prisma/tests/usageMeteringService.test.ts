import { database } from './support/prisma';
import {
  aggregateUsageMetrics,
  getUsageMetrics,
  recordUsageMetric,
} from '../src/services/usageMeteringService';
import { logger } from '../src/utils/logger';

jest.mock('@prisma/client', () => jest.requireActual('./support/prisma'), { virtual: true });

const START = new Date('2025-01-01T00:00:00Z');
const END = new Date('2025-02-01T00:00:00Z');
const hour = (count: number) => new Date(START.getTime() + count * 3_600_000);

describe('usage metering', () => {
  let failed: jest.SpyInstance;

  beforeEach(() => {
    database.reset();
    logger.silent = true;
    failed = jest.spyOn(logger, 'error');
  });

  it('keeps what is recorded, with its window', async () => {
    const metric = await recordUsageMetric('t', 'devices', 3, 'hourly', hour(0), hour(1));

    expect(metric).toMatchObject({
      tenantId: 't',
      metricType: 'devices',
      value: 3,
      period: 'hourly',
      periodStart: hour(0),
      periodEnd: hour(1),
    });
    expect(database.rows('usageMetric')).toHaveLength(1);
  });

  it('adds to a window that is there already', async () => {
    await recordUsageMetric('t', 'api_calls', 3, 'hourly', hour(0), hour(1));
    const metric: any = await recordUsageMetric('t', 'api_calls', 4, 'hourly', hour(0), hour(1));

    expect(metric.value).toBe(7);
    expect(database.rows('usageMetric')).toHaveLength(1);
  });

  it.each([
    ['tenant', ['u', 'devices', 1, 'hourly', hour(0), hour(1)]],
    ['kind', ['t', 'api_calls', 1, 'hourly', hour(0), hour(1)]],
    ['period', ['t', 'devices', 1, 'daily', hour(0), hour(1)]],
    ['window', ['t', 'devices', 1, 'hourly', hour(1), hour(2)]],
  ] as const)('keeps a row of its own for another %s', async (_, other) => {
    await recordUsageMetric('t', 'devices', 5, 'hourly', hour(0), hour(1));
    await recordUsageMetric(...(other as unknown as Parameters<typeof recordUsageMetric>));

    expect(database.rows('usageMetric').map((row) => row.value)).toEqual([5, 1]);
  });

  describe('of several windows', () => {
    beforeEach(async () => {
      await recordUsageMetric('t', 'devices', 1, 'hourly', hour(0), hour(1));
      await recordUsageMetric('t', 'devices', 2, 'hourly', hour(1), hour(2));
      await recordUsageMetric('t', 'api_calls', 4, 'daily', hour(0), hour(24));
      await recordUsageMetric('u', 'devices', 8, 'hourly', hour(0), hour(1));
    });

    it('shows those of the tenant, the latest first', async () => {
      const metrics: any = await getUsageMetrics('t');

      expect(metrics.map((row: any) => row.value)).toEqual([2, 1, 4]);
    });

    it.each([
      ['one kind', ['t', 'devices'], [2, 1]],
      ['one period', ['t', undefined, 'daily'], [4]],
      ['what begins in time', ['t', undefined, undefined, hour(1)], [2]],
      ['what ends in time', ['t', undefined, undefined, undefined, hour(1)], [1]],
    ] as const)('shows %s', async (_, asked, values) => {
      const metrics: any = await getUsageMetrics(...(asked as unknown as [string, string]));

      expect(metrics.map((row: any) => row.value)).toEqual(values);
    });

    it('adds up each kind of one tenant', async () => {
      await expect(aggregateUsageMetrics('t', START, END)).resolves.toEqual({
        devices: 3,
        api_calls: 4,
      });
    });

    it('counts a window that lies within, and no other', async () => {
      await expect(aggregateUsageMetrics('t', hour(1), hour(2))).resolves.toEqual({ devices: 2 });
      await expect(aggregateUsageMetrics('t', hour(2), END)).resolves.toEqual({});
    });
  });

  it.each([
    ['recording', () => recordUsageMetric('t', 'devices', 1, 'hourly', hour(0), hour(1))],
    ['reading', () => getUsageMetrics('t')],
    ['adding up', () => aggregateUsageMetrics('t', START, END)],
  ])('passes a failure on and tells the log, when %s', async (_, act) => {
    database.failure = new Error('the database is gone');

    await expect(act()).rejects.toThrow('the database is gone');
    expect(failed).toHaveBeenCalledWith(expect.stringMatching(/usage/i), database.failure);
  });
});
