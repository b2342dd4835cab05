import { Pool } from 'pg';
import { config, requireSetting } from './config';
import { logger } from './logger';

export const pool = new Pool({
  connectionString: requireSetting('DATABASE_URL', config.databaseUrl),
  max: 10,
  connectionTimeoutMillis: 5000,
});

pool.on('error', (error) => logger.error('idle database connection failed', { reason: error.message }));
