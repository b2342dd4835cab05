import { Router } from 'express';
import type { InvoiceService } from '../services/invoiceService';
import type { PaymentService } from '../services/paymentService';
import type { SubscriptionService } from '../services/subscriptionService';
import type { UsageMeteringService } from '../services/usageMeteringService';

export interface BillingServices {
  invoices: InvoiceService;
  payments: PaymentService;
  subscriptions: SubscriptionService;
  usage: UsageMeteringService;
}

export function billingRoutes(services: BillingServices): Router {
  const router = Router();

  router.post('/tenants/:tenantId/invoices', async (req, res) => {
    const { items, ...options } = req.body;
    const invoice = await services.invoices.createInvoice(req.params.tenantId, items, options);
    res.status(201).json(invoice);
  });

  router.get('/tenants/:tenantId/invoices/:invoiceId', async (req, res) => {
    res.json(await services.invoices.getInvoice(req.params.tenantId, req.params.invoiceId));
  });

  router.post('/payments/webhook', async (req, res) => {
    res.json(await services.payments.handleWebhook(req.body));
  });

  router.post('/tenants/:tenantId/subscription/upgrade', async (req, res) => {
    const { plan, prorate } = req.body;
    res.json(await services.subscriptions.upgrade(req.params.tenantId, plan, { prorate }));
  });

  router.post('/tenants/:tenantId/subscription/cancel', async (req, res) => {
    res.json(await services.subscriptions.cancel(req.params.tenantId));
  });

  router.post('/tenants/:tenantId/usage', async (req, res) => {
    const event = { ...req.body, tenantId: req.params.tenantId };
    res.status(202).json(await services.usage.record(event));
  });

  return router;
}
