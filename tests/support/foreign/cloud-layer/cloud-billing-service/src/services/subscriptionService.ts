import { PrismaClient } from '@prisma/client';
import Stripe from 'stripe';
import { told } from '../utils/told';

const client = new PrismaClient();
const key = process.env.STRIPE_SECRET_KEY;
const provider = key ? new Stripe(key) : undefined;

export function upsertSubscription(
  tenantId: string,
  plan: string,
  billingCycle: 'monthly' | 'annual',
  stripeSubscriptionId?: string,
) {
  const currentPeriodStart = new Date();
  const currentPeriodEnd = new Date(currentPeriodStart);
  currentPeriodEnd.setMonth(currentPeriodEnd.getMonth() + (billingCycle === 'annual' ? 12 : 1));
  const terms = { plan, billingCycle, currentPeriodStart, currentPeriodEnd, stripeSubscriptionId };
  return told('a subscription was not written', () =>
    client.subscription.upsert({
      where: { tenantId },
      create: { tenantId, status: 'active', ...terms },
      update: terms,
    }),
  );
}

export function getSubscription(tenantId: string) {
  return told('a subscription was not read', () =>
    client.subscription.findUnique({ where: { tenantId } }),
  );
}

export function cancelSubscription(tenantId: string, atPeriodEnd = true) {
  return told('a subscription was not cancelled', async () => {
    const found = await client.subscription.findUnique({ where: { tenantId } });
    if (!found) throw new Error('Subscription not found');
    if (provider && found.stripeSubscriptionId) {
      await provider.subscriptions.update(found.stripeSubscriptionId, {
        cancel_at_period_end: atPeriodEnd,
      });
    }
    const status = atPeriodEnd ? 'active' : 'cancelled';
    return client.subscription.update({
      where: { tenantId },
      data: { status, cancelAtPeriodEnd: atPeriodEnd },
    });
  });
}
