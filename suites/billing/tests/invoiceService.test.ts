import { InvoiceService, invoiceService } from '../src/services/invoiceService';
import { MemoryStore } from '../src/store/memoryStore';
import { FixedClock } from './support/clock';

const items = [
  { description: 'Professional plan', quantity: 1, unitPrice: 199 },
  { description: 'Additional users', quantity: 5, unitPrice: 10 },
];

function line(unitPrice: number, quantity = 1) {
  return [{ description: 'Metered', quantity, unitPrice }];
}

describe('InvoiceService', () => {
  let service: InvoiceService;

  beforeEach(() => {
    service = new InvoiceService(new MemoryStore(), new FixedClock('2025-01-30T09:00:00Z'));
  });

  describe('the shared instance', () => {
    it('totals the items it is given', async () => {
      const invoice = await invoiceService.createInvoice('tenant-1', items);

      expect(invoice.total).toBe(249);
      expect(invoice.items).toHaveLength(2);
    });

    it('refuses a key that was used before', async () => {
      await invoiceService.createInvoice('tenant-1', items, { idempotencyKey: 'key-1' });

      await expect(
        invoiceService.createInvoice('tenant-1', items, { idempotencyKey: 'key-1' }),
      ).rejects.toThrow('DUPLICATE_INVOICE');
    });
  });

  describe('createInvoice', () => {
    it('takes an item that costs nothing', async () => {
      const invoice = await service.createInvoice('tenant-1', [...line(0), ...line(10)]);

      expect(invoice.total).toBe(10);
    });

    it('bills a year in advance with ten per cent off', async () => {
      const invoice = await service.createInvoice('tenant-1', items, { billingCycle: 'annual' });

      expect(invoice.discount).toBe(0.1);
      expect(invoice.subtotal).toBe(2988);
      expect(invoice.total).toBeCloseTo(249 * 12 * 0.9, 9);
      expect(invoice.total).toBe(2689.2);
    });

    it('gives no discount on a monthly invoice', async () => {
      const invoice = await service.createInvoice('tenant-1', items);

      expect(invoice).toMatchObject({ billingCycle: 'monthly', discount: 0, subtotal: 249 });
    });

    it('is due thirty days after it was issued', async () => {
      const invoice = await service.createInvoice('tenant-1', items);

      expect(invoice.issuedAt).toBe('2025-01-30T09:00:00.000Z');
      expect(invoice.dueAt).toBe('2025-03-01T09:00:00.000Z');
      expect(invoice.status).toBe('open');
    });

    it('adds tax after the discount', async () => {
      const invoice = await service.createInvoice('tenant-1', line(100), {
        billingCycle: 'annual',
        country: 'TH',
      });

      expect(invoice).toMatchObject({ total: 1080, tax: 75.6, amountDue: 1155.6 });
    });

    it('adds no tax without a country', async () => {
      const invoice = await service.createInvoice('tenant-1', line(100));

      expect(invoice).toMatchObject({ tax: 0, amountDue: 100, currency: 'THB' });
    });

    it.each([
      ['ten cents thrice', 0.1, 3, 0.3],
      ['half a satang up', 1.005, 1, 1.01],
      ['less than half a satang down', 0.0049, 1, 0],
      ['a fine rate times many', 0.0125, 12_345, 154.31],
      ['a fraction of a unit', 19.99, 0.5, 10],
    ])('rounds a line once: %s', async (_name, unitPrice, quantity, total) => {
      const invoice = await service.createInvoice('tenant-1', line(unitPrice, quantity));

      expect(invoice.total).toBe(total);
    });

    it.each([
      ['JPY', 10.4, 10],
      ['JPY', 10.5, 11],
      ['KWD', 1.2345, 1.235],
      ['USD', 1.2345, 1.23],
    ])('rounds to the smallest unit of %s: %d', async (currency, unitPrice, total) => {
      const invoice = await service.createInvoice('tenant-1', line(unitPrice), { currency });

      expect(invoice).toMatchObject({ currency, total });
    });

    it('keeps its own copy of the items', async () => {
      const mine = line(10);
      const invoice = await service.createInvoice('tenant-1', mine);
      mine[0]!.unitPrice = 99;

      const stored = await service.getInvoice('tenant-1', invoice.id);
      expect(invoice.items[0]!.unitPrice).toBe(10);
      expect(stored.items[0]!.unitPrice).toBe(10);
    });

    it.each([
      ['no tenant', '', items, {}, 'INVALID_REQUEST'],
      ['no items', 'tenant-1', [], {}, 'INVALID_REQUEST'],
      ['an empty key', 'tenant-1', items, { idempotencyKey: '' }, 'INVALID_REQUEST'],
      ['a quantity of zero', 'tenant-1', line(10, 0), {}, 'INVALID_AMOUNT'],
      ['a negative quantity', 'tenant-1', line(10, -1), {}, 'INVALID_AMOUNT'],
      ['a negative price', 'tenant-1', line(-10), {}, 'INVALID_AMOUNT'],
      ['a price that is no number', 'tenant-1', line(Number.NaN), {}, 'INVALID_AMOUNT'],
      ['an endless price', 'tenant-1', line(Number.POSITIVE_INFINITY), {}, 'INVALID_AMOUNT'],
      ['a sum too large to hold', 'tenant-1', line(1e15, 1000), {}, 'INVALID_AMOUNT'],
      ['an unknown currency', 'tenant-1', items, { currency: 'XXX' }, 'UNKNOWN_CURRENCY'],
      ['a name every object has', 'tenant-1', items, { currency: 'toString' }, 'UNKNOWN_CURRENCY'],
      ['an unknown country', 'tenant-1', items, { country: 'XX' }, 'UNKNOWN_COUNTRY'],
    ])('refuses %s', async (_name, tenantId, given, options, code) => {
      await expect(service.createInvoice(tenantId, given, options)).rejects.toMatchObject({ code });
    });
  });

  describe('idempotency', () => {
    it('keeps one invoice where requests with a key race', async () => {
      const attempts = await Promise.allSettled(
        Array.from({ length: 10 }, () =>
          service.createInvoice('tenant-1', items, { idempotencyKey: 'race' }),
        ),
      );

      const refused = attempts.filter((attempt) => attempt.status === 'rejected');
      expect(refused).toHaveLength(9);
      expect(refused.every((attempt) => attempt.reason.code === 'DUPLICATE_INVOICE')).toBe(true);
    });

    it('lets two tenants use the same key', async () => {
      const first = await service.createInvoice('tenant-1', items, { idempotencyKey: 'k' });
      const second = await service.createInvoice('tenant-2', items, { idempotencyKey: 'k' });

      expect(second.id).not.toBe(first.id);
    });

    it('does not mistake one tenant and key for another pair', async () => {
      await service.createInvoice('a', items, { idempotencyKey: 'b:c' });

      await expect(
        service.createInvoice('a:b', items, { idempotencyKey: 'c' }),
      ).resolves.toMatchObject({ tenantId: 'a:b' });
    });

    it('never merges invoices that carry no key', async () => {
      const first = await service.createInvoice('tenant-1', items);
      const second = await service.createInvoice('tenant-1', items);

      expect(second.id).not.toBe(first.id);
    });

    it('does not use up the key of a request that was refused', async () => {
      const options = { idempotencyKey: 'again' };
      await expect(service.createInvoice('tenant-1', [], options)).rejects.toThrow();

      await expect(service.createInvoice('tenant-1', items, options)).resolves.toMatchObject({
        total: 249,
      });
    });
  });

  describe('getInvoice', () => {
    it('returns what was created', async () => {
      const invoice = await service.createInvoice('tenant-1', items);

      await expect(service.getInvoice('tenant-1', invoice.id)).resolves.toEqual(invoice);
    });

    it("hides another tenant's invoice", async () => {
      const invoice = await service.createInvoice('tenant-1', items);

      await expect(service.getInvoice('tenant-2', invoice.id)).rejects.toThrow('INVOICE_NOT_FOUND');
    });
  });

  describe('calculateTax', () => {
    it('takes seven per cent in Thailand', () => {
      expect(service.calculateTax(100, 'TH')).toBe(7);
    });

    it.each([
      ['SG', 9],
      ['VN', 10],
      ['JP', 10],
      ['ID', 11],
      ['PH', 12],
      ['DE', 19],
      ['HK', 0],
    ])("takes %s's rate", (country, tax) => {
      expect(service.calculateTax(100, country)).toBe(tax);
    });

    it('rounds half a unit up and less than that down', () => {
      expect(service.calculateTax(0.5, 'TH')).toBe(0.04);
      expect(service.calculateTax(0.49, 'TH')).toBe(0.03);
      expect(service.calculateTax(-0.5, 'TH')).toBe(-0.04);
      expect(service.calculateTax(105, 'JP', 'JPY')).toBe(11);
    });

    it('refuses a country without a rate', () => {
      expect(() => service.calculateTax(100, 'XX')).toThrow('UNKNOWN_COUNTRY');
      expect(() => service.calculateTax(100, 'constructor')).toThrow('UNKNOWN_COUNTRY');
    });

    it('refuses an amount finer than the currency', () => {
      expect(() => service.calculateTax(100.001, 'TH')).toThrow('INVALID_AMOUNT');
      expect(() => service.calculateTax(100.5, 'JP', 'JPY')).toThrow('INVALID_AMOUNT');
    });
  });
});
