import cors from 'cors';
import express from 'express';
import helmet from 'helmet';
import { config } from './config';
import { pool } from './db';
import { logger } from './logger';
import { errorHandler, notFound } from './middleware/errorHandler';
import authRoutes from './routes/authRoutes';
import healthRoutes from './routes/healthRoutes';

const app = express();

app.use(helmet());
app.use(cors());
app.use(express.json({ limit: '100kb' }));

app.use('/api', healthRoutes);
app.use('/api/v1/auth', authRoutes);

app.use(notFound);
app.use(errorHandler);

async function start(): Promise<void> {
  await pool.query('SELECT 1');
  const server = app.listen(config.port, config.host, () => {
    logger.info('cloud-identity-access listens', { port: config.port });
  });
  process.on('SIGTERM', () => {
    server.close(() => {
      void pool.end().then(() => process.exit(0));
    });
  });
}

start().catch((error: Error) => {
  logger.error('start failed', { reason: error.message });
  process.exit(1);
});

export default app;
