import type { Invoice, LedgerEntry, Subscription, UsageEvent } from '../domain/types';
import type { BillingStore, LedgerChange } from './billingStore';

/** Keeps everything in this process: for development and unit tests. */
export class MemoryStore implements BillingStore {
  private readonly invoices = new Map<string, Invoice>();
  private readonly keys = new Set<string>();
  private readonly entries: LedgerEntry[] = [];
  private readonly subscriptions = new Map<string, Subscription>();
  private readonly events = new Map<string, UsageEvent>();

  async insertInvoice(invoice: Invoice): Promise<boolean> {
    if (invoice.idempotencyKey !== null) {
      const key = JSON.stringify([invoice.tenantId, invoice.idempotencyKey]);
      if (this.keys.has(key)) {
        return false;
      }
      this.keys.add(key);
    }
    this.invoices.set(invoice.id, structuredClone(invoice));
    return true;
  }

  async invoice(tenantId: string, invoiceId: string): Promise<Invoice | null> {
    return this.find(tenantId, invoiceId);
  }

  async ledger(invoiceId: string): Promise<LedgerEntry[]> {
    return this.entriesOf(invoiceId);
  }

  async changeLedger(
    tenantId: string,
    invoiceId: string,
    decide: (invoice: Invoice, ledger: LedgerEntry[]) => LedgerChange,
  ): Promise<boolean | null> {
    const invoice = this.find(tenantId, invoiceId);
    if (!invoice) {
      return null;
    }
    const { entry, status } = decide(invoice, this.entriesOf(invoiceId));
    if (entry.eventId !== null && this.entries.some((known) => known.eventId === entry.eventId)) {
      return false;
    }
    this.entries.push(entry);
    this.invoices.set(invoiceId, { ...invoice, status });
    return true;
  }

  async subscription(tenantId: string): Promise<Subscription | null> {
    return structuredClone(this.subscriptions.get(tenantId) ?? null);
  }

  async saveSubscription(subscription: Subscription): Promise<boolean> {
    const stored = this.subscriptions.get(subscription.tenantId)?.version ?? 0;
    if (subscription.version !== stored + 1) {
      return false;
    }
    this.subscriptions.set(subscription.tenantId, structuredClone(subscription));
    return true;
  }

  async recordUsage(event: UsageEvent): Promise<boolean> {
    const key = JSON.stringify([event.tenantId, event.id]);
    if (this.events.has(key)) {
      return false;
    }
    this.events.set(key, { ...event });
    return true;
  }

  async usage(tenantId: string, metric: string, from: Date, to: Date): Promise<UsageEvent[]> {
    return [...this.events.values()]
      .filter((event) => event.tenantId === tenantId && event.metric === metric)
      .filter((event) => new Date(event.occurredAt) >= from && new Date(event.occurredAt) < to)
      .sort((left, right) => Date.parse(left.occurredAt) - Date.parse(right.occurredAt));
  }

  private find(tenantId: string, invoiceId: string): Invoice | null {
    const invoice = this.invoices.get(invoiceId);
    return invoice?.tenantId === tenantId ? structuredClone(invoice) : null;
  }

  private entriesOf(invoiceId: string): LedgerEntry[] {
    return this.entries.filter((entry) => entry.invoiceId === invoiceId);
  }
}
