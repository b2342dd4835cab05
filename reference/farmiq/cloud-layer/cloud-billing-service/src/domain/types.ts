import type { Minor } from './money';

export type BillingCycle = 'monthly' | 'annual';
export type InvoiceStatus = 'open' | 'partially_paid' | 'paid' | 'refunded';

export interface InvoiceItem {
  description: string;
  quantity: number;
  unitPrice: number;
}

export interface Invoice {
  id: string;
  tenantId: string;
  idempotencyKey: string | null;
  items: InvoiceItem[];
  currency: string;
  billingCycle: BillingCycle;
  /** Before discount, for the whole cycle. */
  subtotal: number;
  /** A fraction: 0.10 is ten per cent. */
  discount: number;
  /** After discount, before tax. */
  total: number;
  tax: number;
  amountDue: number;
  status: InvoiceStatus;
  issuedAt: string;
  dueAt: string;
}

export type LedgerKind = 'payment' | 'refund';

export interface LedgerEntry {
  id: string;
  invoiceId: string;
  /** The provider's event, where there is one: it is applied once. */
  eventId: string | null;
  kind: LedgerKind;
  amountMinor: Minor;
  currency: string;
  recordedAt: string;
}

export type SubscriptionStatus = 'active' | 'cancelled';

export interface Subscription {
  tenantId: string;
  version: number;
  plan: string;
  status: SubscriptionStatus;
  anchor: string;
  /** The plan that the current period is paid for, and which period that is. */
  billedPlan: string;
  billedPeriodStart: string;
  endDate: string | null;
}

export interface UsageEvent {
  id: string;
  tenantId: string;
  metric: string;
  quantity: number;
  occurredAt: string;
}
