import { Prisma, PrismaClient } from '@prisma/client';
import { logger } from '../utils/logger';
import { told } from '../utils/told';
import { aggregateUsageMetrics } from './usageMeteringService';

const client = new PrismaClient();

const DAY = 86_400_000;
const PRICES = new Map([
  ['devices', { each: 10, unit: 'device' }],
  ['api_calls', { each: 0.001, unit: 'call' }],
  ['storage_gb', { each: 0.5, unit: 'GB' }],
  ['telemetry_points', { each: 0.0001, unit: 'point' }],
]);

export function createInvoice(tenantId: string, periodStart: Date, periodEnd: Date, due?: Date) {
  return told('no invoice was made', async () => {
    const usage = await aggregateUsageMetrics(tenantId, periodStart, periodEnd);
    const lineItems = Object.entries(usage).flatMap(([kind, quantity]) => {
      const price = PRICES.get(kind);
      if (!price) return [];
      const description = `${kind} (${quantity} ${price.unit})`;
      return [{ description, quantity, unitPrice: price.each, amount: quantity * price.each }];
    });
    const invoice = await client.invoice.create({
      data: {
        tenantId,
        invoiceNumber: numbered(tenantId, periodStart),
        amount: new Prisma.Decimal(lineItems.reduce((sum, item) => sum + item.amount, 0)),
        currency: 'USD',
        status: 'draft',
        dueDate: due ?? new Date(periodEnd.getTime() + 30 * DAY),
        periodStart,
        periodEnd,
        lineItems,
      },
    });
    logger.info('an invoice was made', { invoiceId: invoice.id, tenantId });
    return invoice;
  });
}

export function getInvoices(tenantId: string, status?: string, from?: Date, until?: Date) {
  return told('invoices were not read', () =>
    client.invoice.findMany({
      where: { tenantId, status, periodStart: { gte: from, lte: until } },
      include: { payments: true },
      orderBy: { createdAt: 'desc' },
    }),
  );
}

export function getInvoiceById(id: string) {
  return told('an invoice was not read', () =>
    client.invoice.findUnique({ where: { id }, include: { payments: true } }),
  );
}

type Status = 'draft' | 'sent' | 'paid' | 'overdue' | 'cancelled';

export function updateInvoiceStatus(id: string, status: Status) {
  const data = status === 'paid' ? { status, paidAt: new Date() } : { status };
  return told('an invoice was not changed', () => client.invoice.update({ where: { id }, data }));
}

function numbered(tenantId: string, start: Date): string {
  const month = `${start.getFullYear()}${`${start.getMonth() + 1}`.padStart(2, '0')}`;
  const parts = ['INV', month, tenantId.slice(0, 8), Date.now().toString(36)];
  return parts.join('-').toUpperCase();
}
