import type { Invoice, InvoiceStatus, LedgerEntry, Subscription, UsageEvent } from '../domain/types';

export interface LedgerChange {
  entry: LedgerEntry;
  status: InvoiceStatus;
}

/** What billing keeps. Every method is atomic, also between processes where the store is shared. */
export interface BillingStore {
  /** Returns false where the tenant has used the idempotency key. */
  insertInvoice(invoice: Invoice): Promise<boolean>;
  invoice(tenantId: string, invoiceId: string): Promise<Invoice | null>;
  ledger(invoiceId: string): Promise<LedgerEntry[]>;
  /**
   * Lets `decide` see an invoice and its ledger while nobody else changes them.
   * Returns null where there is no such invoice, false where the entry's event was applied before.
   */
  changeLedger(
    tenantId: string,
    invoiceId: string,
    decide: (invoice: Invoice, ledger: LedgerEntry[]) => LedgerChange,
  ): Promise<boolean | null>;
  subscription(tenantId: string): Promise<Subscription | null>;
  /** Returns false where the stored version is not one below the given one. */
  saveSubscription(subscription: Subscription): Promise<boolean>;
  /** Returns false where the tenant's event id was recorded before. */
  recordUsage(event: UsageEvent): Promise<boolean>;
  /** Returns the events from `from` up to, not including, `to`, earliest first. */
  usage(tenantId: string, metric: string, from: Date, to: Date): Promise<UsageEvent[]>;
}
