/** The payment provider: import this before the service, which looks for its key when loaded. */

process.env.STRIPE_SECRET_KEY ??= 'a key that only the tests know';

interface Provider {
  retrieve: jest.Mock;
  update: jest.Mock;
  keys: string[];
}

const shared = globalThis as unknown as { billingProvider?: Provider };

/** What the service asked of the provider; it is shared by every client that is made. */
export const provider = (shared.billingProvider ??= {
  retrieve: jest.fn(),
  update: jest.fn(),
  keys: [],
});

export default class Stripe {
  readonly paymentIntents = { retrieve: provider.retrieve };
  readonly subscriptions = { update: provider.update };

  constructor(key: string) {
    provider.keys.push(key);
  }
}
