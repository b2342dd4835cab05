import {
  aggregateUsageMetrics,
  getUsageMetrics,
  recordUsageMetric,
} from '../services/usageMeteringService';
import { date, handler } from './answers';

const FIELDS = ['tenantId', 'metricType', 'value', 'period', 'periodStart', 'periodEnd'];
const MONTH = 30 * 86_400_000;

export const record = handler(FIELDS, async (given, res) => {
  const { tenantId, metricType, value, period } = given;
  const window = [new Date(given.periodStart), new Date(given.periodEnd)] as const;
  res.status(201).json(await recordUsageMetric(tenantId, metricType, value, period, ...window));
});

export const list = handler(['tenantId'], async (given, res) => {
  const { tenantId, metricType, period, startDate, endDate } = given;
  const window = [date(startDate), date(endDate)] as const;
  const data = await getUsageMetrics(tenantId, metricType, period, ...window);
  res.json({ data, total: data.length });
});

export const sums = handler(['tenantId'], async (given, res) => {
  const from = date(given.startDate) ?? new Date(Date.now() - MONTH);
  res.json(await aggregateUsageMetrics(given.tenantId, from, date(given.endDate) ?? new Date()));
});
