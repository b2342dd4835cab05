import { addDays } from '../domain/calendar';
import { systemClock, type Clock } from '../domain/clock';
import { BillingError } from '../domain/errors';
import { fromMinor, lineTotal } from '../domain/money';
import type { UsageEvent } from '../domain/types';
import type { BillingStore } from '../store/billingStore';
import { defaultStore } from '../store/defaultStore';

const CURRENCY = 'THB';
const ACCEPTED_AGE_DAYS = 35;
const ACCEPTED_SKEW_MS = 5 * 60 * 1000;

interface Metric {
  /** How a window's events become one quantity. */
  reduce: 'sum' | 'max' | 'last';
  included: number;
  /** Price in THB of one unit above what is included. */
  rate: number;
}

const METRICS: Readonly<Record<string, Metric>> = {
  api_calls: { reduce: 'sum', included: 1000, rate: 0.005 },
  storage_gb: { reduce: 'max', included: 10, rate: 2.5 },
  active_devices: { reduce: 'last', included: 5, rate: 12 },
};

export interface UsageCharge {
  metric: string;
  quantity: number;
  overage: number;
  amount: number;
  currency: string;
}

export class UsageMeteringService {
  constructor(
    private readonly store: BillingStore,
    private readonly clock: Clock = systemClock,
  ) {}

  /** Records an event once, in whatever sequence events arrive. */
  async record(event: UsageEvent): Promise<{ recorded: boolean }> {
    metricOf(event.metric);
    if (!Number.isFinite(event.quantity) || event.quantity < 0) {
      throw new BillingError('INVALID_AMOUNT', `quantity ${event.quantity}`);
    }
    const occurred = new Date(event.occurredAt);
    if (Number.isNaN(occurred.getTime())) {
      throw new BillingError('INVALID_REQUEST', `occurredAt ${event.occurredAt}`);
    }
    const now = this.clock.now();
    if (occurred.getTime() > now.getTime() + ACCEPTED_SKEW_MS) {
      throw new BillingError('FUTURE_EVENT', event.occurredAt);
    }
    if (occurred < addDays(now, -ACCEPTED_AGE_DAYS)) {
      throw new BillingError('PERIOD_CLOSED', event.occurredAt);
    }
    return { recorded: await this.store.recordUsage(event) };
  }

  async quantity(tenantId: string, metric: string, from: Date, to: Date): Promise<number> {
    const { reduce } = metricOf(metric);
    const events = await this.store.usage(tenantId, metric, from, to);
    const quantities = events.map((event) => event.quantity);
    if (reduce === 'sum') {
      return quantities.reduce((sum, quantity) => sum + quantity, 0);
    }
    return reduce === 'max' ? Math.max(0, ...quantities) : (quantities.at(-1) ?? 0);
  }

  async charge(tenantId: string, metric: string, from: Date, to: Date): Promise<UsageCharge> {
    const { included, rate } = metricOf(metric);
    const quantity = await this.quantity(tenantId, metric, from, to);
    const overage = Math.max(0, quantity - included);
    const amount = fromMinor(lineTotal(overage, rate, CURRENCY), CURRENCY);
    return { metric, quantity, overage, amount, currency: CURRENCY };
  }
}

function metricOf(name: string): Metric {
  const metric = Object.hasOwn(METRICS, name) ? METRICS[name] : undefined;
  if (metric === undefined) {
    throw new BillingError('UNKNOWN_METRIC', name);
  }
  return metric;
}

export const usageMeteringService = new UsageMeteringService(defaultStore);
