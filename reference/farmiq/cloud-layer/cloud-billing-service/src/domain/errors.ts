export type BillingErrorCode =
  | 'DUPLICATE_INVOICE'
  | 'INVALID_AMOUNT'
  | 'INVALID_REQUEST'
  | 'UNKNOWN_CURRENCY'
  | 'UNKNOWN_COUNTRY'
  | 'UNKNOWN_PLAN'
  | 'UNKNOWN_METRIC'
  | 'NOT_AN_UPGRADE'
  | 'INVOICE_NOT_FOUND'
  | 'SUBSCRIPTION_NOT_FOUND'
  | 'CURRENCY_MISMATCH'
  | 'OVERPAYMENT'
  | 'REFUND_EXCEEDS_PAID'
  | 'FUTURE_EVENT'
  | 'PERIOD_CLOSED'
  | 'CONFLICT';

/** An expected refusal; the code stands in the message so that logs and callers can tell. */
export class BillingError extends Error {
  constructor(
    readonly code: BillingErrorCode,
    detail: string,
  ) {
    super(`${code}: ${detail}`);
    this.name = 'BillingError';
  }
}
