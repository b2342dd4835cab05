import { database } from './support/prisma';
import { logger } from '../src/utils/logger';
import { collectUsageMetrics, runWorker } from '../src/workers/usageMeteringWorker';

jest.mock('@prisma/client', () => jest.requireActual('./support/prisma'), { virtual: true });

const NOW = new Date(2025, 0, 15, 12, 34, 56);
const HOUR = 60 * 60 * 1000;

/** Two tenants in the registry, with so many devices each. */
function registered(devices: Record<string, number>) {
  database.answer = ({ text, values }) =>
    text.includes('tenants')
      ? Object.keys(devices).map((id) => ({ id }))
      : [{ count: BigInt(devices[String(values[0])] ?? 0) }];
}

function recorded(): [string, string, number][] {
  return database.rows('usageMetric').map((row) => [row.tenantId, row.metricType, row.value]);
}

describe('the metering worker', () => {
  beforeEach(() => {
    database.reset();
    logger.silent = true;
    jest.useFakeTimers({ now: NOW });
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it("counts every tenant's devices, in the hour that runs", async () => {
    registered({ a: 3, b: 5 });

    await collectUsageMetrics();

    expect(recorded().filter(([, kind]) => kind === 'devices')).toEqual([
      ['a', 'devices', 3],
      ['b', 'devices', 5],
    ]);
    expect(database.rows('usageMetric')[0]).toMatchObject({
      period: 'hourly',
      periodStart: new Date(2025, 0, 15, 12),
      periodEnd: new Date(2025, 0, 15, 13),
    });
  });

  it('records nothing where the registry cannot be asked', async () => {
    database.answer = () => {
      throw new Error('no such table');
    };

    await expect(collectUsageMetrics()).resolves.toBeUndefined();
    expect(recorded()).toEqual([]);
  });

  it('records no device where they cannot be counted', async () => {
    database.answer = ({ text }) => {
      if (text.includes('tenants')) return [{ id: 'a' }];
      throw new Error('no such table');
    };

    await collectUsageMetrics();

    expect(recorded()).toContainEqual(['a', 'devices', 0]);
  });

  it('goes on with the next tenant when one cannot be recorded', async () => {
    registered({ a: 3, b: 5 });
    const insert = jest.spyOn(database, 'insert').mockImplementationOnce(() => {
      throw new Error('the disk is full');
    });

    await collectUsageMetrics();

    expect(recorded()).toContainEqual(['b', 'devices', 5]);
    expect(recorded()).not.toContainEqual(['a', 'devices', 3]);
    insert.mockRestore();
  });

  it('collects at once and then every hour', async () => {
    registered({ a: 3 });

    await runWorker();
    expect(recorded()).toContainEqual(['a', 'devices', 3]);

    registered({ a: 4 });
    await jest.advanceTimersByTimeAsync(HOUR);

    expect(recorded()).toContainEqual(['a', 'devices', 4]);
    jest.clearAllTimers();
  });
});
