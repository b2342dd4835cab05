import { PrismaClient } from '@prisma/client';
import { told } from '../utils/told';

const client = new PrismaClient();

type Period = 'hourly' | 'daily' | 'monthly';

export function recordUsageMetric(
  tenantId: string,
  metricType: string,
  value: number,
  period: Period,
  periodStart: Date,
  periodEnd: Date,
) {
  const key = { tenantId, metricType, period, periodStart };
  return told('usage was not recorded', () =>
    client.usageMetric.upsert({
      where: { tenantId_metricType_period_periodStart: key },
      create: { ...key, value, periodEnd },
      update: { value: { increment: value } },
    }),
  );
}

export function getUsageMetrics(
  tenantId: string,
  metricType?: string,
  period?: string,
  from?: Date,
  until?: Date,
) {
  const where = {
    tenantId,
    metricType,
    period,
    periodStart: from && { gte: from },
    periodEnd: until && { lte: until },
  };
  return told('usage was not read', () =>
    client.usageMetric.findMany({ where, orderBy: { periodStart: 'desc' } }),
  );
}

export function aggregateUsageMetrics(tenantId: string, from: Date, until: Date) {
  return told('usage was not added up', async () => {
    const found = await client.usageMetric.findMany({
      where: { tenantId, periodStart: { gte: from }, periodEnd: { lte: until } },
    });
    const sums: Record<string, number> = {};
    for (const { metricType, value } of found) sums[metricType] = (sums[metricType] ?? 0) + value;
    return sums;
  });
}
