import { InvoiceService } from '../src/services/invoiceService';
import { PaymentService, paymentService } from '../src/services/paymentService';
import { MemoryStore } from '../src/store/memoryStore';
import { FixedClock } from './support/clock';

describe('PaymentService', () => {
  let invoices: InvoiceService;
  let service: PaymentService;
  let invoiceId: string;
  let store: MemoryStore;

  function baht(amount: number) {
    return { amount, currency: 'THB' };
  }

  function event(id: string, amount: number, type = 'payment.succeeded') {
    return { id, type, tenantId: 't', invoiceId, ...baht(amount) };
  }

  async function status() {
    return (await invoices.getInvoice('t', invoiceId)).status;
  }

  beforeEach(async () => {
    store = new MemoryStore();
    const clock = new FixedClock('2025-01-30T09:00:00Z');
    invoices = new InvoiceService(store, clock);
    service = new PaymentService(store, clock);
    const items = [{ description: 'Plan', quantity: 1, unitPrice: 100 }];
    invoiceId = (await invoices.createInvoice('t', items, { country: 'TH' })).id;
  });

  it('marks an invoice paid, tax included', async () => {
    const receipt = await service.recordPayment('t', invoiceId, baht(107));

    expect(receipt).toMatchObject({ invoiceId, kind: 'payment', amount: 107, currency: 'THB' });
    await expect(service.balance('t', invoiceId)).resolves.toBe(0);
    await expect(status()).resolves.toBe('paid');
  });

  it('adds partial payments up without a rounding gap', async () => {
    await service.recordPayment('t', invoiceId, baht(0.1));
    await service.recordPayment('t', invoiceId, baht(0.2));
    await expect(status()).resolves.toBe('partially_paid');

    await service.recordPayment('t', invoiceId, baht(106.7));

    await expect(service.balance('t', invoiceId)).resolves.toBe(0);
    await expect(status()).resolves.toBe('paid');
  });

  it('refuses more than is due', async () => {
    await service.recordPayment('t', invoiceId, baht(100));

    await expect(service.recordPayment('t', invoiceId, baht(7.01))).rejects.toThrow('OVERPAYMENT');
    await expect(service.balance('t', invoiceId)).resolves.toBe(7);
  });

  it('refuses another currency', async () => {
    const payment = { amount: 107, currency: 'USD' };

    await expect(service.recordPayment('t', invoiceId, payment)).rejects.toThrow(
      'CURRENCY_MISMATCH',
    );
    await expect(status()).resolves.toBe('open');
  });

  it.each([0, -5, 0.001, Number.NaN])('refuses to record %d', async (amount) => {
    await expect(service.recordPayment('t', invoiceId, baht(amount))).rejects.toThrow(
      'INVALID_AMOUNT',
    );
  });

  it("refuses an invoice that is another tenant's or nobody's", async () => {
    await expect(service.recordPayment('x', invoiceId, baht(1))).rejects.toThrow(
      'INVOICE_NOT_FOUND',
    );
    await expect(service.balance('x', invoiceId)).rejects.toThrow('INVOICE_NOT_FOUND');
    await expect(paymentService.balance('t', 'none')).rejects.toThrow('INVOICE_NOT_FOUND');
  });

  it('lets one of two racing payments win', async () => {
    const attempts = await Promise.allSettled([
      service.recordPayment('t', invoiceId, baht(107)),
      service.recordPayment('t', invoiceId, baht(107)),
    ]);

    expect(attempts.filter((attempt) => attempt.status === 'fulfilled')).toHaveLength(1);
    await expect(service.balance('t', invoiceId)).resolves.toBe(0);
  });

  describe('refund', () => {
    it('reopens the balance', async () => {
      await service.recordPayment('t', invoiceId, baht(107));

      const receipt = await service.refund('t', invoiceId, baht(7));

      expect(receipt.kind).toBe('refund');
      await expect(service.balance('t', invoiceId)).resolves.toBe(7);
      await expect(status()).resolves.toBe('partially_paid');
    });

    it('marks an invoice refunded where all is given back', async () => {
      await service.recordPayment('t', invoiceId, baht(107));
      await service.refund('t', invoiceId, baht(50));
      await service.refund('t', invoiceId, baht(57));

      await expect(status()).resolves.toBe('refunded');
    });

    it('never gives back more than was paid', async () => {
      await service.recordPayment('t', invoiceId, baht(50));

      await expect(service.refund('t', invoiceId, baht(50.01))).rejects.toThrow(
        'REFUND_EXCEEDS_PAID',
      );
    });
  });

  describe('handleWebhook', () => {
    it('applies an event once, however often it comes', async () => {
      await expect(service.handleWebhook(event('evt-1', 50))).resolves.toEqual({ applied: true });
      await expect(service.handleWebhook(event('evt-1', 50))).resolves.toEqual({ applied: false });

      await expect(service.balance('t', invoiceId)).resolves.toBe(57);
    });

    it('answers the replay of the last payment instead of refusing it', async () => {
      await service.handleWebhook(event('evt-1', 107));

      await expect(service.handleWebhook(event('evt-1', 107))).resolves.toEqual({ applied: false });
      await expect(status()).resolves.toBe('paid');
    });

    it('applies two events of the same amount', async () => {
      await service.handleWebhook(event('evt-1', 50));
      await service.handleWebhook(event('evt-2', 50));

      await expect(service.balance('t', invoiceId)).resolves.toBe(7);
    });

    it('applies a refund event', async () => {
      await service.handleWebhook(event('evt-1', 107));

      await service.handleWebhook(event('evt-2', 107, 'payment.refunded'));

      await expect(status()).resolves.toBe('refunded');
    });

    it('enters what kind of event it was', async () => {
      await service.handleWebhook(event('evt-1', 107));
      await service.handleWebhook(event('evt-2', 7, 'payment.refunded'));

      const kinds = (await store.ledger(invoiceId)).map((entry) => entry.kind);
      expect(kinds).toEqual(['payment', 'refund']);
    });

    it('does not apply an event to a second invoice', async () => {
      const items = [{ description: 'Plan', quantity: 1, unitPrice: 107 }];
      const other = await invoices.createInvoice('t', items);
      await service.handleWebhook(event('evt-1', 50));

      const moved = { ...event('evt-1', 50), invoiceId: other.id };

      await expect(service.handleWebhook(moved)).resolves.toEqual({ applied: false });
      await expect(service.balance('t', other.id)).resolves.toBe(107);
    });

    it.each(['payment.failed', 'toString'])('leaves %s alone', async (type) => {
      await expect(service.handleWebhook(event('evt-1', 107, type))).resolves.toEqual({
        applied: false,
      });
      await expect(status()).resolves.toBe('open');
    });
  });
});
