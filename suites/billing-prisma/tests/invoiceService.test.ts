import { database, Prisma } from './support/prisma';
import {
  createInvoice,
  getInvoiceById,
  getInvoices,
  updateInvoiceStatus,
} from '../src/services/invoiceService';
import { logger } from '../src/utils/logger';

jest.mock('@prisma/client', () => jest.requireActual('./support/prisma'), { virtual: true });

const START = new Date(2025, 0, 1);
const END = new Date(2025, 1, 1);
const DAY = 24 * 60 * 60 * 1000;

function used(metricType: string, value: number, tenantId = 'tenant-one') {
  database.insert('usageMetric', {
    tenantId,
    metricType,
    value,
    periodStart: new Date(2025, 0, 10),
    periodEnd: new Date(2025, 0, 11),
  });
}

describe('invoices', () => {
  let failed: jest.SpyInstance;

  beforeEach(() => {
    database.reset();
    logger.silent = true;
    failed = jest.spyOn(logger, 'error');
  });

  afterEach(() => {
    jest.useRealTimers();
  });

  it.each([
    ['devices', 3, 10, 30],
    ['api_calls', 2500, 0.001, 2.5],
    ['storage_gb', 5, 0.5, 2.5],
    ['telemetry_points', 70_000, 0.0001, 7],
  ])('prices %s', async (kind, quantity, unitPrice, amount) => {
    used(kind, quantity);

    const invoice = await createInvoice('tenant-one', START, END);

    expect(invoice.amount).toBeInstanceOf(Prisma.Decimal);
    expect(Number(invoice.amount)).toBeCloseTo(amount, 9);
    expect(invoice.lineItems).toEqual([
      {
        description: expect.stringContaining(`${kind} (${quantity}`),
        quantity,
        unitPrice,
        amount: expect.closeTo(amount, 9),
      },
    ]);
  });

  it('adds up all kinds, a kind once', async () => {
    used('devices', 2);
    used('devices', 1);
    used('storage_gb', 10);

    const invoice = await createInvoice('tenant-one', START, END);

    expect(Number(invoice.amount)).toBe(35);
    expect(invoice.lineItems).toHaveLength(2);
  });

  it('names the unit of what it bills', async () => {
    used('devices', 1);
    used('api_calls', 1);
    used('storage_gb', 1);
    used('telemetry_points', 1);

    const { lineItems } = (await createInvoice('tenant-one', START, END)) as any;

    expect(lineItems.map((item: any) => item.description.split(' ').pop())).toEqual([
      'device)',
      'call)',
      'GB)',
      'point)',
    ]);
  });

  it('bills no kind that has no price, and no other tenant', async () => {
    used('sunshine', 9);
    used('devices', 9, 'tenant-two');

    const invoice = await createInvoice('tenant-one', START, END);

    expect(Number(invoice.amount)).toBe(0);
    expect(invoice.lineItems).toEqual([]);
  });

  it('writes a draft in dollars that is due thirty days after the period', async () => {
    const invoice = await createInvoice('tenant-one', START, END);

    expect(invoice).toMatchObject({
      tenantId: 'tenant-one',
      currency: 'USD',
      status: 'draft',
      periodStart: START,
      periodEnd: END,
      dueDate: new Date(END.getTime() + 30 * DAY),
    });
    expect(database.rows('invoice')).toHaveLength(1);
  });

  it('keeps a due date that is given', async () => {
    const due = new Date(2025, 5, 1);

    await expect(createInvoice('tenant-one', START, END, due)).resolves.toMatchObject({
      dueDate: due,
    });
  });

  it('numbers an invoice by month and tenant, and no two alike', async () => {
    jest.useFakeTimers({ now: END });
    const first = await createInvoice('tenant-one', START, END);
    jest.setSystemTime(END.getTime() + 1);
    const second = await createInvoice('tenant-one', START, END);

    expect(first.invoiceNumber).toMatch(/^INV-202501-TENANT-O-[0-9A-Z]+$/);
    expect(second.invoiceNumber).not.toBe(first.invoiceNumber);
  });

  it('tells the log which invoice was made', async () => {
    const informed = jest.spyOn(logger, 'info');

    const invoice = await createInvoice('tenant-one', START, END);

    expect(informed).toHaveBeenCalledWith(
      expect.stringMatching(/invoice/i),
      expect.objectContaining({ invoiceId: invoice.id, tenantId: 'tenant-one' }),
    );
  });

  it('shows an invoice with its payments', async () => {
    const { id } = await createInvoice('tenant-one', START, END);
    database.insert('payment', { invoiceId: id, status: 'pending' });
    database.insert('payment', { invoiceId: 'another', status: 'pending' });

    await expect(getInvoiceById(id)).resolves.toMatchObject({
      id,
      payments: [{ invoiceId: id }],
    });
    await expect(getInvoiceById('unknown')).resolves.toBeNull();
  });

  describe('of several months', () => {
    const month = (count: number) => new Date(2025, count, 1);

    beforeEach(async () => {
      await createInvoice('tenant-one', month(0), month(1));
      await createInvoice('tenant-one', month(1), month(2));
      await createInvoice('tenant-one', month(2), month(3));
      await createInvoice('tenant-two', month(1), month(2));
      await updateInvoiceStatus(database.rows('invoice')[1]?.id, 'sent');
    });

    it.each([
      ['all of the tenant, the latest first', [], [2, 1, 0]],
      ['one status', ['sent'], [1]],
      ['what begins in time', [undefined, month(1)], [2, 1]],
      ['what does not begin later', [undefined, undefined, month(1)], [1, 0]],
      ['what begins between', ['draft', month(1), month(2)], [2]],
    ] as const)('shows %s', async (_, asked, months) => {
      const invoices: any = await getInvoices('tenant-one', ...(asked as unknown as [string]));

      expect(invoices.map((item: any) => item.periodStart)).toEqual(months.map(month));
      expect(invoices.map((item: any) => item.payments)).toEqual(months.map(() => []));
    });
  });

  it('stamps the payment when an invoice is paid', async () => {
    const { id } = await createInvoice('tenant-one', START, END);
    jest.useFakeTimers({ now: END });

    await expect(updateInvoiceStatus(id, 'paid')).resolves.toMatchObject({
      status: 'paid',
      paidAt: END,
    });
  });

  it.each(['draft', 'sent', 'overdue', 'cancelled'] as const)(
    'stamps no payment when an invoice is %s',
    async (status) => {
      const { id } = await createInvoice('tenant-one', START, END);

      const invoice: any = await updateInvoiceStatus(id, status);

      expect(invoice.status).toBe(status);
      expect(invoice.paidAt).toBeUndefined();
    },
  );

  it('changes no invoice that is not there', async () => {
    await expect(updateInvoiceStatus('unknown', 'paid')).rejects.toMatchObject({ code: 'P2025' });
    expect(database.rows('invoice')).toEqual([]);
  });

  it.each([
    ['writing', () => createInvoice('tenant-one', START, END)],
    ['listing', () => getInvoices('tenant-one')],
    ['showing', () => getInvoiceById('one')],
    ['changing', () => updateInvoiceStatus('one', 'sent')],
  ])('passes a failure on and tells the log, when %s', async (_, act) => {
    database.failure = new Error('the database is gone');

    await expect(act()).rejects.toThrow('the database is gone');
    expect(failed).toHaveBeenLastCalledWith(expect.stringMatching(/invoice/i), database.failure);
  });
});
