import { createApp } from './app';
import { invoiceService } from './services/invoiceService';
import { paymentService } from './services/paymentService';
import { subscriptionService } from './services/subscriptionService';
import { usageMeteringService } from './services/usageMeteringService';

const port = Number(process.env.PORT ?? 5145);

createApp({
  invoices: invoiceService,
  payments: paymentService,
  subscriptions: subscriptionService,
  usage: usageMeteringService,
}).listen(port, () => {
  console.log(JSON.stringify({ level: 'info', message: 'cloud-billing-service listens', port }));
});
