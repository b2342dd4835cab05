import { daysBetween, periodAround, type Period } from '../domain/calendar';
import { systemClock, type Clock } from '../domain/clock';
import { BillingError } from '../domain/errors';
import { fromMinor, share, type Minor } from '../domain/money';
import type { Subscription } from '../domain/types';
import type { BillingStore } from '../store/billingStore';
import { defaultStore } from '../store/defaultStore';

const CURRENCY = 'THB';
const FIRST_PLAN = 'starter';
const ATTEMPTS = 5;

/** Monthly prices in satang. */
const PLANS: Readonly<Record<string, Minor>> = {
  starter: 49_00,
  professional: 199_00,
  enterprise: 499_00,
};

export interface PlanChange {
  tenantId: string;
  plan: string;
  effectiveDate: Date;
  /** What the rest of the period costs on top of what is paid for it; 0 without `prorate`. */
  proratedAmount: number;
}

export interface Cancellation {
  tenantId: string;
  status: 'cancelled';
  endDate: Date;
  /** What is given back for days that are paid and not used. */
  creditAmount: number;
}

export class SubscriptionService {
  constructor(
    private readonly store: BillingStore,
    private readonly clock: Clock = systemClock,
  ) {}

  async subscribe(tenantId: string, plan: string): Promise<Subscription> {
    priceOf(plan);
    const now = this.clock.now();
    const known = await this.store.subscription(tenantId);
    if (known && !hasEnded(known, now)) {
      throw new BillingError('CONFLICT', `${tenantId} has a subscription`);
    }
    const made = firstSubscription(tenantId, plan, now, (known?.version ?? 0) + 1);
    if (!(await this.store.saveSubscription(made))) {
      throw new BillingError('CONFLICT', `${tenantId} was changed at the same time`);
    }
    return made;
  }

  async get(tenantId: string): Promise<Subscription> {
    const known = await this.store.subscription(tenantId);
    if (!known) {
      throw new BillingError('SUBSCRIPTION_NOT_FOUND', tenantId);
    }
    return known;
  }

  /** Moves to a dearer plan at once; a retry of the same upgrade is never charged twice. */
  async upgrade(
    tenantId: string,
    plan: string,
    options: { prorate?: boolean } = {},
  ): Promise<PlanChange> {
    const price = priceOf(plan);
    return this.change(tenantId, (current, period, now) => {
      if (price < priceOf(current.plan)) {
        throw new BillingError('NOT_AN_UPGRADE', `${plan} is below ${current.plan}`);
      }
      const charge = options.prorate
        ? remainingShare(price - priceOf(current.billedPlan), period, now)
        : 0;
      const next: Subscription = {
        ...current,
        plan,
        status: 'active',
        endDate: null,
        billedPlan: options.prorate ? plan : current.billedPlan,
      };
      const result: PlanChange = {
        tenantId,
        plan,
        effectiveDate: now,
        proratedAmount: fromMinor(charge, CURRENCY),
      };
      return { next, result };
    });
  }

  /** Ends at the period's end, or at once with a credit; cancelling again changes nothing. */
  async cancel(tenantId: string, options: { immediately?: boolean } = {}): Promise<Cancellation> {
    return this.change(tenantId, (current, period, now) => {
      if (current.endDate !== null) {
        const endDate = new Date(current.endDate);
        return { next: current, result: { tenantId, status: 'cancelled', endDate, creditAmount: 0 } };
      }
      const endDate = options.immediately ? now : period.end;
      const credit = options.immediately
        ? remainingShare(priceOf(current.billedPlan), period, now)
        : 0;
      const next: Subscription = {
        ...current,
        status: 'cancelled',
        endDate: endDate.toISOString(),
      };
      const creditAmount = fromMinor(credit, CURRENCY);
      return { next, result: { tenantId, status: 'cancelled', endDate, creditAmount } };
    });
  }

  private async change<T>(
    tenantId: string,
    decide: (current: Subscription, period: Period, now: Date) => { next: Subscription; result: T },
  ): Promise<T> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const now = this.clock.now();
      const stored = await this.store.subscription(tenantId);
      const version = stored?.version ?? 0;
      const current =
        stored && !hasEnded(stored, now)
          ? stored
          : firstSubscription(tenantId, FIRST_PLAN, now, version);
      const period = periodAround(new Date(current.anchor), now);
      const { next, result } = decide(renewed(current, period), period, now);
      if (await this.store.saveSubscription({ ...next, version: version + 1 })) {
        return result;
      }
    }
    throw new BillingError('CONFLICT', `${tenantId} kept changing`);
  }
}

function firstSubscription(
  tenantId: string,
  plan: string,
  now: Date,
  version: number,
): Subscription {
  return {
    tenantId,
    version,
    plan,
    status: 'active',
    anchor: now.toISOString(),
    billedPlan: plan,
    billedPeriodStart: now.toISOString(),
    endDate: null,
  };
}

function hasEnded(subscription: Subscription, now: Date): boolean {
  return subscription.endDate !== null && new Date(subscription.endDate) <= now;
}

/** At a period's start the tenant pays for the plan it has then. */
function renewed(subscription: Subscription, period: Period): Subscription {
  const start = period.start.toISOString();
  return subscription.billedPeriodStart === start
    ? subscription
    : { ...subscription, billedPlan: subscription.plan, billedPeriodStart: start };
}

function remainingShare(price: Minor, period: Period, now: Date): Minor {
  return share(price, daysBetween(now, period.end), daysBetween(period.start, period.end));
}

function priceOf(plan: string): Minor {
  const price = Object.hasOwn(PLANS, plan) ? PLANS[plan] : undefined;
  if (price === undefined) {
    throw new BillingError('UNKNOWN_PLAN', plan);
  }
  return price;
}

export const subscriptionService = new SubscriptionService(defaultStore);
