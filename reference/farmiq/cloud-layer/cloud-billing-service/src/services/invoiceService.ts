import { randomUUID } from 'node:crypto';
import { addDays } from '../domain/calendar';
import { systemClock, type Clock } from '../domain/clock';
import { BillingError } from '../domain/errors';
import { fromMinor, lineTotal, share, toMinor, type Minor } from '../domain/money';
import type { BillingCycle, Invoice, InvoiceItem } from '../domain/types';
import type { BillingStore } from '../store/billingStore';
import { defaultStore } from '../store/defaultStore';

const ANNUAL_DISCOUNT_PERCENT = 10;
const MONTHS_A_YEAR = 12;
const PAYMENT_TERM_DAYS = 30;

/** VAT or GST in basis points: 700 is seven per cent. */
const TAX_BASIS_POINTS: Readonly<Record<string, number>> = {
  TH: 700,
  SG: 900,
  VN: 1000,
  JP: 1000,
  ID: 1100,
  PH: 1200,
  DE: 1900,
  HK: 0,
};

export interface InvoiceOptions {
  billingCycle?: BillingCycle;
  idempotencyKey?: string;
  currency?: string;
  /** Two letters; without it no tax is added. */
  country?: string;
}

export class InvoiceService {
  constructor(
    private readonly store: BillingStore,
    private readonly clock: Clock = systemClock,
  ) {}

  async createInvoice(
    tenantId: string,
    items: InvoiceItem[],
    options: InvoiceOptions = {},
  ): Promise<Invoice> {
    const invoice = this.draft(tenantId, items, options);
    if (!(await this.store.insertInvoice(invoice))) {
      throw new BillingError('DUPLICATE_INVOICE', `key ${invoice.idempotencyKey} was used before`);
    }
    return invoice;
  }

  async getInvoice(tenantId: string, invoiceId: string): Promise<Invoice> {
    const invoice = await this.store.invoice(tenantId, invoiceId);
    if (!invoice) {
      throw new BillingError('INVOICE_NOT_FOUND', invoiceId);
    }
    return invoice;
  }

  /** Returns the tax on a net amount, rounded to the currency's smallest unit. */
  calculateTax(amount: number, country: string, currency = 'THB'): number {
    return fromMinor(taxOf(toMinor(amount, currency), country), currency);
  }

  private draft(tenantId: string, items: InvoiceItem[], options: InvoiceOptions): Invoice {
    checkRequest(tenantId, items, options);
    const { billingCycle = 'monthly', currency = 'THB', country, idempotencyKey } = options;
    const annual = billingCycle === 'annual';
    const monthly = items.reduce((sum, item) => sum + lineOf(item, currency), 0);
    const subtotal = annual ? monthly * MONTHS_A_YEAR : monthly;
    const percent = annual ? ANNUAL_DISCOUNT_PERCENT : 0;
    const total = share(subtotal, 100 - percent, 100);
    const tax = country === undefined ? 0 : taxOf(total, country);
    const issued = this.clock.now();
    return {
      id: randomUUID(),
      tenantId,
      idempotencyKey: idempotencyKey ?? null,
      items: items.map((item) => ({ ...item })),
      currency,
      billingCycle,
      subtotal: fromMinor(subtotal, currency),
      discount: percent / 100,
      total: fromMinor(total, currency),
      tax: fromMinor(tax, currency),
      amountDue: fromMinor(total + tax, currency),
      status: 'open',
      issuedAt: issued.toISOString(),
      dueAt: addDays(issued, PAYMENT_TERM_DAYS).toISOString(),
    };
  }
}

function checkRequest(tenantId: string, items: InvoiceItem[], options: InvoiceOptions): void {
  if (!tenantId) {
    throw new BillingError('INVALID_REQUEST', 'an invoice needs a tenant');
  }
  if (items.length === 0) {
    throw new BillingError('INVALID_REQUEST', 'an invoice needs at least one item');
  }
  if (options.idempotencyKey === '') {
    throw new BillingError('INVALID_REQUEST', 'an idempotency key cannot be empty');
  }
}

function lineOf(item: InvoiceItem, currency: string): Minor {
  if (!(item.quantity > 0) || !(item.unitPrice >= 0)) {
    throw new BillingError('INVALID_AMOUNT', `${item.description}: quantity or price`);
  }
  return lineTotal(item.quantity, item.unitPrice, currency);
}

function taxOf(minor: Minor, country: string): Minor {
  const rate = Object.hasOwn(TAX_BASIS_POINTS, country) ? TAX_BASIS_POINTS[country] : undefined;
  if (rate === undefined) {
    throw new BillingError('UNKNOWN_COUNTRY', `no tax rate for ${country}`);
  }
  return share(minor, rate, 10_000);
}

export const invoiceService = new InvoiceService(defaultStore);
