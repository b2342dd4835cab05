/**
 * One database in memory behind every `new PrismaClient()`, whichever module makes it.
 *
 * It hangs on globalThis, so that modules which are loaded anew find the same rows. It filters,
 * sorts and increments as Prisma does where the service asks for it, and knows nothing else.
 */

export type Row = Record<string, any>;
type Query = { text: string; values: unknown[] };

class Database {
  tables: Record<string, Row[]> = {};
  failure: Error | null = null;
  connected = false;
  queries: Query[] = [];
  answer: (query: Query) => unknown[] = () => [];
  private made = 0;

  reset(): void {
    Object.assign(this, { tables: {}, failure: null, queries: [], answer: () => [] });
  }

  rows(model: string): Row[] {
    return (this.tables[model] ??= []);
  }

  insert(model: string, data: Row): Row {
    this.made += 1;
    const row = { id: `${model}-${this.made}`, createdAt: new Date(this.made * 1000), ...data };
    this.rows(model).push(row);
    return row;
  }

  check(): void {
    if (this.failure) throw this.failure;
  }
}

const shared = globalThis as unknown as { billingDatabase?: Database };

export const database = (shared.billingDatabase ??= new Database());

export namespace Prisma {
  /** An amount as the client hands it out: an object that JSON turns into a text. */
  export class Decimal {
    constructor(private readonly value: number | string) {}
    toNumber(): number {
      return Number(this.value);
    }
    toString(): string {
      return String(this.value);
    }
    toJSON(): string {
      return this.toString();
    }
  }
}

/** What Prisma throws where the row to be changed is not there. */
export class NotFound extends Error {
  readonly code = 'P2025';
}

function plain(value: unknown): unknown {
  return value instanceof Date ? value.getTime() : value;
}

function isConditions(value: unknown): value is Row {
  return typeof value === 'object' && value !== null && !(value instanceof Date);
}

function fits(row: Row, where: Row = {}): boolean {
  return Object.entries(where).every(([field, wanted]) => {
    if (wanted === undefined) return true;
    if (!isConditions(wanted)) return plain(row[field]) === plain(wanted);
    // A unique key of several columns carries their names and values.
    if (!(field in row)) return fits(row, wanted);
    const value = plain(row[field]) as number;
    return Object.entries(wanted).every(([kind, limit]) => {
      if (limit === undefined) return true;
      if (kind === 'gte') return value >= (plain(limit) as number);
      if (kind === 'lte') return value <= (plain(limit) as number);
      throw new Error(`the fake database knows no condition ${kind}`);
    });
  });
}

function changed(row: Row, data: Row): Row {
  for (const [field, value] of Object.entries(data)) {
    if (value === undefined) continue;
    row[field] = isConditions(value) && 'increment' in value ? row[field] + value.increment : value;
  }
  return row;
}

function table(model: string) {
  const withMore = (row: Row, include?: Row) =>
    include?.payments
      ? { ...row, payments: database.rows('payment').filter((item) => item.invoiceId === row.id) }
      : { ...row };
  const first = (where: Row) => database.rows(model).find((row) => fits(row, where));
  return {
    async create({ data }: Row) {
      database.check();
      return { ...database.insert(model, data) };
    },
    async findMany({ where, orderBy = {}, include }: Row) {
      database.check();
      const [[field, direction] = ['createdAt', 'asc']] = Object.entries(orderBy);
      const sign = direction === 'desc' ? -1 : 1;
      return database
        .rows(model)
        .filter((row) => fits(row, where))
        .sort((a, b) => sign * (Number(plain(a[field])) - Number(plain(b[field]))))
        .map((row) => withMore(row, include));
    },
    async findUnique({ where, include }: Row) {
      database.check();
      const row = first(where);
      return row ? withMore(row, include) : null;
    },
    async update({ where, data }: Row) {
      database.check();
      const row = first(where);
      if (!row) throw new NotFound('no row to change');
      return { ...changed(row, data) };
    },
    async upsert({ where, create, update }: Row) {
      database.check();
      const row = first(where);
      return { ...(row ? changed(row, update) : database.insert(model, create)) };
    },
  };
}

export class PrismaClient {
  readonly invoice = table('invoice');
  readonly payment = table('payment');
  readonly subscription = table('subscription');
  readonly usageMetric = table('usageMetric');

  async $connect(): Promise<void> {
    database.check();
    database.connected = true;
  }

  async $disconnect(): Promise<void> {
    database.connected = false;
  }

  async $queryRaw(strings: TemplateStringsArray, ...values: unknown[]): Promise<unknown[]> {
    database.check();
    const query = { text: strings.join('?'), values };
    database.queries.push(query);
    return database.answer(query);
  }
}
