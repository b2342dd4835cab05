import {
  cancelSubscription,
  getSubscription,
  upsertSubscription,
} from '../services/subscriptionService';
import { handler, missing } from './answers';

export const write = handler(['tenantId', 'plan', 'billingCycle'], async (given, res) => {
  const { tenantId, plan, billingCycle, stripeSubscriptionId } = given;
  res.json(await upsertSubscription(tenantId, plan, billingCycle, stripeSubscriptionId));
});

export const show = handler(['tenantId'], async ({ tenantId }, res) => {
  const found = await getSubscription(tenantId);
  if (found) res.json(found);
  else missing(res, 'no such subscription');
});

export const cancel = handler(['tenantId'], async ({ tenantId, cancelAtPeriodEnd }, res) => {
  res.json(await cancelSubscription(tenantId, cancelAtPeriodEnd !== false));
});
