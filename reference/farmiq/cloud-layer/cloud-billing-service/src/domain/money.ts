import { BillingError } from './errors';

/** An amount in a currency's smallest unit, always a safe integer. */
export type Minor = number;

const EXPONENTS: Readonly<Record<string, number>> = {
  THB: 2,
  USD: 2,
  EUR: 2,
  SGD: 2,
  JPY: 0,
  VND: 0,
  KWD: 3,
};

export function exponentOf(currency: string): number {
  const exponent = Object.hasOwn(EXPONENTS, currency) ? EXPONENTS[currency] : undefined;
  if (exponent === undefined) {
    throw new BillingError('UNKNOWN_CURRENCY', `${currency} is not billed`);
  }
  return exponent;
}

interface Decimal {
  units: bigint;
  scale: number;
}

/** Reads the shortest decimal that the number prints as: 0.1 is one tenth, not its binary form. */
function decimal(value: number): Decimal {
  const text = String(value);
  if (!/^-?\d+(\.\d+)?$/.test(text)) {
    throw new BillingError('INVALID_AMOUNT', `${text} is not a plain decimal number`);
  }
  const point = text.indexOf('.');
  const scale = point < 0 ? 0 : text.length - point - 1;
  return { units: BigInt(text.replace('.', '')), scale };
}

/** Divides and rounds half away from zero, as invoices are rounded. */
function divide(numerator: bigint, denominator: bigint): Minor {
  const negative = numerator < 0n;
  const magnitude = negative ? -numerator : numerator;
  const rounded = (2n * magnitude + denominator) / (2n * denominator);
  const result = Number(negative ? -rounded : rounded);
  if (!Number.isSafeInteger(result)) {
    throw new BillingError('INVALID_AMOUNT', 'the amount is too large');
  }
  return result;
}

function rescale(value: Decimal, exponent: number): Minor {
  return value.scale <= exponent
    ? divide(value.units * 10n ** BigInt(exponent - value.scale), 1n)
    : divide(value.units, 10n ** BigInt(value.scale - exponent));
}

/** Reads an amount; refuses one that is finer than the currency's smallest unit. */
export function toMinor(amount: number, currency: string): Minor {
  const value = decimal(amount);
  const exponent = exponentOf(currency);
  if (value.scale > exponent) {
    throw new BillingError('INVALID_AMOUNT', `${amount} is finer than ${currency} allows`);
  }
  return rescale(value, exponent);
}

export function fromMinor(minor: Minor, currency: string): number {
  return minor / 10 ** exponentOf(currency);
}

/** Multiplies exactly and rounds once; a unit price may be finer than the currency. */
export function lineTotal(quantity: number, unitPrice: number, currency: string): Minor {
  const left = decimal(quantity);
  const right = decimal(unitPrice);
  const product = { units: left.units * right.units, scale: left.scale + right.scale };
  return rescale(product, exponentOf(currency));
}

export function share(minor: Minor, numerator: number, denominator: number): Minor {
  return divide(BigInt(minor) * BigInt(numerator), BigInt(denominator));
}
