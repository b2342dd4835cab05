import { PrismaClient } from '@prisma/client';
import { recordUsageMetric } from '../services/usageMeteringService';
import { logger } from '../utils/logger';

const client = new PrismaClient();
const HOUR = 3_600_000;

async function devicesOf(tenantId: string): Promise<number> {
  const query = client.$queryRaw`SELECT count(*) AS count FROM devices WHERE tenant = ${tenantId}`;
  const [row] = await (query as Promise<{ count: bigint }[]>).catch(() => []);
  return Number(row?.count ?? 0);
}

export async function collectUsageMetrics(): Promise<void> {
  const start = new Date();
  start.setMinutes(0, 0, 0);
  const end = new Date(start.getTime() + HOUR);
  const query = client.$queryRaw`SELECT id FROM tenants` as Promise<{ id: string }[]>;
  for (const { id } of await query.catch(() => [])) {
    try {
      await recordUsageMetric(id, 'devices', await devicesOf(id), 'hourly', start, end);
    } catch (error) {
      logger.error('a tenant was not counted', error);
    }
  }
}

export async function runWorker(): Promise<void> {
  await collectUsageMetrics();
  setInterval(collectUsageMetrics, HOUR);
}

if (require.main === module) void runWorker();
