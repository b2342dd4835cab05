import { Pool } from 'pg';
import type { BillingStore } from './billingStore';
import { MemoryStore } from './memoryStore';
import { PostgresStore } from './postgresStore';

/** Picks PostgreSQL where a database is named; only development may do without one. */
export function openStore(environment: NodeJS.ProcessEnv): BillingStore {
  if (environment.DATABASE_URL) {
    return new PostgresStore(new Pool({ connectionString: environment.DATABASE_URL }));
  }
  if (environment.NODE_ENV === 'production') {
    throw new Error('DATABASE_URL is not set');
  }
  return new MemoryStore();
}

export const defaultStore: BillingStore = openStore(process.env);
