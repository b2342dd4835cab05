import type { Pool, PoolClient } from 'pg';
import type {
  Invoice,
  InvoiceStatus,
  LedgerEntry,
  LedgerKind,
  Subscription,
  UsageEvent,
} from '../domain/types';
import type { BillingStore, LedgerChange } from './billingStore';

interface InvoiceRow {
  document: Invoice;
  status: InvoiceStatus;
}

interface LedgerRow {
  id: string;
  invoice_id: string;
  event_id: string | null;
  kind: LedgerKind;
  amount_minor: string;
  currency: string;
  recorded_at: Date;
}

interface UsageRow {
  id: string;
  tenant_id: string;
  metric: string;
  quantity: number;
  occurred_at: Date;
}

type Queryable = Pick<Pool, 'query'>;

/** The only module that speaks SQL; the database, not this process, decides every race. */
export class PostgresStore implements BillingStore {
  constructor(private readonly pool: Pool) {}

  async insertInvoice(invoice: Invoice): Promise<boolean> {
    const result = await this.pool.query(
      `INSERT INTO invoices (id, tenant_id, idempotency_key, status, document, issued_at)
       VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (tenant_id, idempotency_key) DO NOTHING`,
      [
        invoice.id,
        invoice.tenantId,
        invoice.idempotencyKey,
        invoice.status,
        JSON.stringify(invoice),
        invoice.issuedAt,
      ],
    );
    return result.rowCount === 1;
  }

  async invoice(tenantId: string, invoiceId: string): Promise<Invoice | null> {
    const result = await this.pool.query<InvoiceRow>(
      'SELECT document, status FROM invoices WHERE tenant_id = $1 AND id = $2',
      [tenantId, invoiceId],
    );
    return toInvoice(result.rows[0]);
  }

  async ledger(invoiceId: string): Promise<LedgerEntry[]> {
    return ledgerOf(this.pool, invoiceId);
  }

  async changeLedger(
    tenantId: string,
    invoiceId: string,
    decide: (invoice: Invoice, ledger: LedgerEntry[]) => LedgerChange,
  ): Promise<boolean | null> {
    return this.transaction(async (client) => {
      const locked = await client.query<InvoiceRow>(
        'SELECT document, status FROM invoices WHERE tenant_id = $1 AND id = $2 FOR UPDATE',
        [tenantId, invoiceId],
      );
      const invoice = toInvoice(locked.rows[0]);
      if (!invoice) {
        return null;
      }
      const { entry, status } = decide(invoice, await ledgerOf(client, invoiceId));
      const inserted = await client.query(
        `INSERT INTO ledger_entries
           (id, invoice_id, event_id, kind, amount_minor, currency, recorded_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (event_id) DO NOTHING`,
        [
          entry.id,
          entry.invoiceId,
          entry.eventId,
          entry.kind,
          entry.amountMinor,
          entry.currency,
          entry.recordedAt,
        ],
      );
      if (inserted.rowCount !== 1) {
        return false;
      }
      await client.query('UPDATE invoices SET status = $2 WHERE id = $1', [invoiceId, status]);
      return true;
    });
  }

  async subscription(tenantId: string): Promise<Subscription | null> {
    const result = await this.pool.query<{ document: Subscription }>(
      'SELECT document FROM subscriptions WHERE tenant_id = $1',
      [tenantId],
    );
    return result.rows[0]?.document ?? null;
  }

  async saveSubscription(subscription: Subscription): Promise<boolean> {
    const result = await this.pool.query(
      `INSERT INTO subscriptions (tenant_id, version, document)
       SELECT $1, $2, $3
       WHERE $2 = 1 OR EXISTS (SELECT 1 FROM subscriptions WHERE tenant_id = $1)
       ON CONFLICT (tenant_id) DO UPDATE
         SET version = EXCLUDED.version, document = EXCLUDED.document
         WHERE subscriptions.version = EXCLUDED.version - 1`,
      [subscription.tenantId, subscription.version, JSON.stringify(subscription)],
    );
    return result.rowCount === 1;
  }

  async recordUsage(event: UsageEvent): Promise<boolean> {
    const result = await this.pool.query(
      `INSERT INTO usage_events (tenant_id, id, metric, quantity, occurred_at)
       VALUES ($1, $2, $3, $4, $5)
       ON CONFLICT (tenant_id, id) DO NOTHING`,
      [event.tenantId, event.id, event.metric, event.quantity, event.occurredAt],
    );
    return result.rowCount === 1;
  }

  async usage(tenantId: string, metric: string, from: Date, to: Date): Promise<UsageEvent[]> {
    const result = await this.pool.query<UsageRow>(
      `SELECT id, tenant_id, metric, quantity, occurred_at FROM usage_events
       WHERE tenant_id = $1 AND metric = $2 AND occurred_at >= $3 AND occurred_at < $4
       ORDER BY occurred_at, id`,
      [tenantId, metric, from, to],
    );
    return result.rows.map((row) => ({
      id: row.id,
      tenantId: row.tenant_id,
      metric: row.metric,
      quantity: row.quantity,
      occurredAt: row.occurred_at.toISOString(),
    }));
  }

  private async transaction<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      await client.query('ROLLBACK');
      throw error;
    } finally {
      client.release();
    }
  }
}

function toInvoice(row: InvoiceRow | undefined): Invoice | null {
  return row ? { ...row.document, status: row.status } : null;
}

async function ledgerOf(queryable: Queryable, invoiceId: string): Promise<LedgerEntry[]> {
  const result = await queryable.query<LedgerRow>(
    `SELECT id, invoice_id, event_id, kind, amount_minor, currency, recorded_at
     FROM ledger_entries WHERE invoice_id = $1 ORDER BY recorded_at, id`,
    [invoiceId],
  );
  return result.rows.map((row) => ({
    id: row.id,
    invoiceId: row.invoice_id,
    eventId: row.event_id,
    kind: row.kind,
    amountMinor: Number(row.amount_minor),
    currency: row.currency,
    recordedAt: row.recorded_at.toISOString(),
  }));
}
