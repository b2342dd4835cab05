/** The service as it starts itself, on a port that is free: only its listening is turned aside. */

import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const KEY = 'a signing key that only the tests know';

export interface Answer {
  status: number;
  headers: Headers;
  body: any;
}

export class Running {
  constructor(readonly server: Server) {}

  async ask(method: string, path: string, body?: unknown, more: object = {}): Promise<Answer> {
    const { port } = this.server.address() as AddressInfo;
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      headers: { 'content-type': 'application/json', ...more },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    const isJson = answer.headers.get('content-type')?.includes('json');
    return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(text) : text };
  }

  async stop(): Promise<void> {
    if (!this.server.listening) return;
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Load the service's entry point and wait until it listens. */
export async function start(load: () => Promise<unknown>): Promise<Running> {
  const listen = Server.prototype.listen;
  const found = new Promise<Server>((resolve) => {
    Server.prototype.listen = function aside(this: Server, ...given: any[]) {
      const callback = given.find((item) => typeof item === 'function');
      listen.call(this, { port: 0, host: '127.0.0.1' }, callback);
      resolve(this);
      return this;
    } as typeof listen;
  });
  try {
    await load();
    const server = await found;
    if (!server.listening) await once(server, 'listening');
    return new Running(server);
  } finally {
    Server.prototype.listen = listen;
  }
}

/** A signed token; the key is where the service looks for it. */
export function bearer(claims: object): { authorization: string } {
  process.env.JWT_SECRET = KEY;
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const head = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(claims)}`;
  const signature = createHmac('sha256', KEY).update(head).digest('base64url');
  return { authorization: `Bearer ${head}.${signature}` };
}
