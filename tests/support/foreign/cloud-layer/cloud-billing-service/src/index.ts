import './utils/datadog';
import { PrismaClient } from '@prisma/client';
import express from 'express';
import helmet from 'helmet';
import { transactionIdMiddleware } from './middlewares/transactionId';
import { setupRoutes } from './routes';
import { logger } from './utils/logger';

const PAGES = ['http://localhost:3000'];

const client = new PrismaClient();
const app = express().use(helmet(), transactionIdMiddleware, express.json());

if (process.env.NODE_ENV === 'development') {
  app.use((req, res, next) => {
    const origin = req.get('origin') ?? '';
    if (PAGES.includes(origin)) res.setHeader('access-control-allow-origin', origin);
    next();
  });
}

setupRoutes(app);

app.get('/api/health', (_req, res) => {
  res.send('OK');
});

app.get('/api/ready', async (_req, res) => {
  const ready = await client.$queryRaw`SELECT 1`.then(
    () => true,
    () => false,
  );
  res.status(ready ? 200 : 503).json({ status: ready ? 'ready' : 'not ready' });
});

client.$connect().then(
  () => {
    const server = app.listen(process.env.PORT ?? 5145);
    for (const signal of ['SIGTERM', 'SIGINT']) {
      process.once(signal, () => server.close(() => void client.$disconnect()));
    }
  },
  (error: unknown) => {
    logger.error('there is no database', error);
    process.exitCode = 1;
  },
);
