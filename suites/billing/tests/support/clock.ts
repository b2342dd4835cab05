import type { Clock } from '../../src/domain/clock';

/** A clock that stands still until a test sets it. */
export class FixedClock implements Clock {
  private at: Date;

  constructor(text: string) {
    this.at = new Date(text);
  }

  now(): Date {
    return new Date(this.at);
  }

  set(text: string): void {
    this.at = new Date(text);
  }
}
