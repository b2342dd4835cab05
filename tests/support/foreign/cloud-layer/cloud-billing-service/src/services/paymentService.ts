import { Prisma, PrismaClient } from '@prisma/client';
import Stripe from 'stripe';
import { logger } from '../utils/logger';
import { told } from '../utils/told';

const client = new PrismaClient();
const key = process.env.STRIPE_SECRET_KEY;
const provider = key ? new Stripe(key) : undefined;

export function createPayment(
  invoiceId: string,
  amount: number,
  currency: string,
  paymentMethod: string,
  externalId?: string,
) {
  return told('a payment was not booked', async () => {
    const worth = new Prisma.Decimal(amount);
    const begun = { invoiceId, amount: worth, currency, paymentMethod, externalId };
    const payment = await client.payment.create({ data: { ...begun, status: 'pending' } });
    logger.info('a payment was booked', { paymentId: payment.id, invoiceId });
    return payment;
  });
}

export function processStripePayment(invoiceId: string, intentId: string) {
  return told('a payment was not taken', async () => {
    if (!provider) throw new Error('the payment provider is not configured');
    const intent = await provider.paymentIntents.retrieve(intentId);
    const units = intent.amount / 100;
    const payment = await createPayment(invoiceId, units, intent.currency, 'stripe', intentId);
    if (intent.status === 'succeeded') {
      const now = new Date();
      await client.payment.update({
        where: { id: payment.id },
        data: { status: 'completed', completedAt: now },
      });
      await client.invoice.update({
        where: { id: invoiceId },
        data: { status: 'paid', paidAt: now },
      });
    }
    return payment;
  });
}

export function getPayments(invoiceId: string) {
  return told('payments were not read', () =>
    client.payment.findMany({ where: { invoiceId }, orderBy: { createdAt: 'desc' } }),
  );
}
