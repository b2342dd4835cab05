import {
  createInvoice,
  getInvoiceById,
  getInvoices,
  updateInvoiceStatus,
} from '../services/invoiceService';
import { date, handler, missing } from './answers';

export const create = handler(['tenantId', 'periodStart', 'periodEnd'], async (given, res) => {
  const period = [new Date(given.periodStart), new Date(given.periodEnd)] as const;
  res.status(201).json(await createInvoice(given.tenantId, ...period, date(given.dueDate)));
});

export const list = handler(['tenantId'], async (given, res) => {
  const { tenantId, status, startDate, endDate } = given;
  const data = await getInvoices(tenantId, status, date(startDate), date(endDate));
  res.json({ data, total: data.length });
});

export const show = handler(['id'], async ({ id }, res) => {
  const invoice = await getInvoiceById(id);
  if (invoice) res.json(invoice);
  else missing(res, 'no such invoice');
});

export const change = handler(['status'], async ({ id, status }, res) => {
  res.json(await updateInvoiceStatus(id, status));
});
