import express, { type ErrorRequestHandler, type Express } from 'express';
import helmet from 'helmet';
import { BillingError } from './domain/errors';
import { billingRoutes, type BillingServices } from './routes/billingRoutes';

const STATUS_OF_CODE: Readonly<Partial<Record<string, number>>> = {
  INVOICE_NOT_FOUND: 404,
  SUBSCRIPTION_NOT_FOUND: 404,
  DUPLICATE_INVOICE: 409,
  CONFLICT: 409,
  OVERPAYMENT: 409,
  REFUND_EXCEEDS_PAID: 409,
};

const answerError: ErrorRequestHandler = (error, _req, res, _next) => {
  if (error instanceof BillingError) {
    const status = STATUS_OF_CODE[error.code] ?? 422;
    res.status(status).json({ error: { code: error.code, message: error.message } });
    return;
  }
  if (error instanceof SyntaxError) {
    res.status(400).json({ error: { code: 'BAD_REQUEST' } });
    return;
  }
  res.status(500).json({ error: { code: 'INTERNAL' } });
};

export function createApp(services: BillingServices): Express {
  const app = express();
  app.disable('x-powered-by');
  app.use(helmet());
  app.use(express.json({ limit: '100kb' }));
  app.get('/api/health', (_req, res) => {
    res.json({ status: 'ok' });
  });
  app.use('/api/v1/billing', billingRoutes(services));
  app.use(answerError);
  return app;
}
