import { randomUUID } from 'node:crypto';
import { systemClock, type Clock } from '../domain/clock';
import { BillingError } from '../domain/errors';
import { fromMinor, toMinor, type Minor } from '../domain/money';
import type { Invoice, InvoiceStatus, LedgerEntry, LedgerKind } from '../domain/types';
import type { BillingStore, LedgerChange } from '../store/billingStore';
import { defaultStore } from '../store/defaultStore';

export interface Amount {
  amount: number;
  currency: string;
}

export interface PaymentEvent extends Amount {
  id: string;
  type: string;
  tenantId: string;
  invoiceId: string;
}

export interface Receipt extends Amount {
  id: string;
  invoiceId: string;
  kind: LedgerKind;
}

const KIND_OF_EVENT: Readonly<Record<string, LedgerKind>> = {
  'payment.succeeded': 'payment',
  'payment.refunded': 'refund',
};

export class PaymentService {
  constructor(
    private readonly store: BillingStore,
    private readonly clock: Clock = systemClock,
  ) {}

  async recordPayment(tenantId: string, invoiceId: string, amount: Amount): Promise<Receipt> {
    const { entry } = await this.enter(tenantId, invoiceId, 'payment', amount, null);
    return toReceipt(entry);
  }

  async refund(tenantId: string, invoiceId: string, amount: Amount): Promise<Receipt> {
    const { entry } = await this.enter(tenantId, invoiceId, 'refund', amount, null);
    return toReceipt(entry);
  }

  /** Applies a provider's event once; a replay and an event of another type change nothing. */
  async handleWebhook(event: PaymentEvent): Promise<{ applied: boolean }> {
    const kind = Object.hasOwn(KIND_OF_EVENT, event.type) ? KIND_OF_EVENT[event.type] : undefined;
    if (kind === undefined) {
      return { applied: false };
    }
    const { applied } = await this.enter(event.tenantId, event.invoiceId, kind, event, event.id);
    return { applied };
  }

  /** Returns what the invoice has still to receive. */
  async balance(tenantId: string, invoiceId: string): Promise<number> {
    const invoice = await this.store.invoice(tenantId, invoiceId);
    if (!invoice) {
      throw new BillingError('INVOICE_NOT_FOUND', invoiceId);
    }
    const paid = paidOf(await this.store.ledger(invoiceId));
    return fromMinor(toMinor(invoice.amountDue, invoice.currency) - paid, invoice.currency);
  }

  private async enter(
    tenantId: string,
    invoiceId: string,
    kind: LedgerKind,
    amount: Amount,
    eventId: string | null,
  ): Promise<{ entry: LedgerEntry; applied: boolean }> {
    const entry: LedgerEntry = {
      id: randomUUID(),
      invoiceId,
      eventId,
      kind,
      amountMinor: toMinor(amount.amount, amount.currency),
      currency: amount.currency,
      recordedAt: this.clock.now().toISOString(),
    };
    if (entry.amountMinor <= 0) {
      throw new BillingError('INVALID_AMOUNT', 'a payment or refund is above zero');
    }
    const written = await this.store.changeLedger(tenantId, invoiceId, (invoice, ledger) =>
      decide(invoice, ledger, entry),
    );
    if (written === null) {
      throw new BillingError('INVOICE_NOT_FOUND', invoiceId);
    }
    return { entry, applied: written };
  }
}

function decide(invoice: Invoice, ledger: LedgerEntry[], entry: LedgerEntry): LedgerChange {
  if (entry.currency !== invoice.currency) {
    throw new BillingError('CURRENCY_MISMATCH', `${entry.currency} for ${invoice.currency}`);
  }
  if (entry.eventId !== null && ledger.some((known) => known.eventId === entry.eventId)) {
    return { entry, status: invoice.status };
  }
  const due = toMinor(invoice.amountDue, invoice.currency);
  const paid = paidOf([...ledger, entry]);
  if (paid > due) {
    throw new BillingError('OVERPAYMENT', `${invoice.id} would be paid more than is due`);
  }
  if (paid < 0) {
    throw new BillingError('REFUND_EXCEEDS_PAID', `${invoice.id} was not paid that much`);
  }
  return { entry, status: statusOf(paid, due) };
}

/** Names the state after an entry: nothing left of what was paid means that it was given back. */
function statusOf(paid: Minor, due: Minor): InvoiceStatus {
  if (paid === due) {
    return 'paid';
  }
  return paid === 0 ? 'refunded' : 'partially_paid';
}

function paidOf(ledger: LedgerEntry[]): Minor {
  return ledger.reduce(
    (sum, entry) => sum + (entry.kind === 'refund' ? -entry.amountMinor : entry.amountMinor),
    0,
  );
}

function toReceipt(entry: LedgerEntry): Receipt {
  return {
    id: entry.id,
    invoiceId: entry.invoiceId,
    kind: entry.kind,
    amount: fromMinor(entry.amountMinor, entry.currency),
    currency: entry.currency,
  };
}

export const paymentService = new PaymentService(defaultStore);
