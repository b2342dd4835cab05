import { Router } from 'express';
import * as invoices from '../controllers/invoiceController';
import * as subscriptions from '../controllers/subscriptionController';
import * as usage from '../controllers/usageController';
import { jwtAuthMiddleware, requireRole } from '../middlewares/authMiddleware';

const admin = requireRole('platform_admin');

export const billingRoutes = Router()
  .use(jwtAuthMiddleware)
  .post('/usage', admin, usage.record)
  .get('/usage', usage.list)
  .get('/usage/aggregated', usage.sums)
  .post('/invoices', admin, invoices.create)
  .get('/invoices', invoices.list)
  .get('/invoices/:id', invoices.show)
  .patch('/invoices/:id/status', admin, invoices.change)
  .post('/subscriptions', admin, subscriptions.write)
  .get('/subscriptions/:tenantId', subscriptions.show)
  .patch('/subscriptions/:tenantId/cancel', admin, subscriptions.cancel);
