import { database } from './support/prisma';
import { start, type Running } from './support/running';

jest.mock('@prisma/client', () => jest.requireActual('./support/prisma'), { virtual: true });
jest.mock('stripe', () => jest.requireActual('./support/stripe'), { virtual: true });

const mockTraced = jest.fn();
jest.mock('dd-trace', () => ({ init: mockTraced }), { virtual: true });

const EVENTS = ['SIGTERM', 'SIGINT', 'exit', 'uncaughtException', 'unhandledRejection'];

const environment = { ...process.env };
const code = process.exitCode;
const heard = new Map(EVENTS.map((event) => [event, process.listeners(event as 'exit')]));
let service: Running | undefined;

/** Load the entry point anew, under what the environment says by now. */
async function load(): Promise<void> {
  await jest.isolateModulesAsync(async () => {
    (await import('../src/utils/logger')).logger.silent = true;
    await import('../src/index');
  });
}

beforeEach(() => {
  database.reset();
});

afterEach(async () => {
  await service?.stop();
  service = undefined;
  process.env = { ...environment };
  // What the service would end with is not what its tests end with.
  process.exitCode = code;
  for (const event of EVENTS) {
    for (const listener of process.listeners(event as 'exit')) {
      if (!heard.get(event)?.includes(listener)) process.removeListener(event, listener);
    }
  }
});

describe('a service that starts', () => {
  it('does not listen without its database, and ends with a failure', async () => {
    database.failure = new Error('the database is gone');
    const listening = jest.fn();

    void start(load).then(listening);
    await new Promise((resolve) => setTimeout(resolve, 200));

    expect(listening).not.toHaveBeenCalled();
    expect(process.exitCode).toBe(1);
  });

  it('lets known pages in while it is developed, and no other', async () => {
    process.env.NODE_ENV = 'development';
    jest.spyOn(console, 'error').mockImplementation();
    service = await start(load);
    const from = (origin: string) => service!.ask('GET', '/api/health', undefined, { origin });

    const known = await from('http://localhost:3000');
    const strange = await from('https://elsewhere.example');

    expect(known.status).toBe(200);
    expect(known.headers.get('access-control-allow-origin')).toBe('http://localhost:3000');
    expect(strange.headers.get('access-control-allow-origin')).toBeNull();
    await expect(service.ask('GET', '/api/health')).resolves.toMatchObject({ status: 200 });
  });

  it('is traced under its own name where that is given, and not else', async () => {
    service = await start(load);
    expect(mockTraced).not.toHaveBeenCalled();
    await service.stop();

    process.env.DD_SERVICE = 'billing-under-test';
    service = await start(load);

    expect(mockTraced.mock.calls).toEqual([
      [expect.objectContaining({ service: 'billing-under-test' })],
    ]);
  });

  it('starts where tracing does not', async () => {
    process.env.DD_SERVICE = 'billing-under-test';
    mockTraced.mockImplementationOnce(() => {
      throw new Error('no agent');
    });
    service = await start(load);

    await expect(service.ask('GET', '/api/health')).resolves.toMatchObject({ status: 200 });
  });
});

describe('a service that is told to end', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('closes server and database on %s', async (signal) => {
    service = await start(load);
    expect(database.connected).toBe(true);
    const closed = new Promise((resolve) => service!.server.on('close', resolve));

    process.emit(signal);
    await closed;
    await new Promise((resolve) => setImmediate(resolve));

    expect(service.server.listening).toBe(false);
    expect(database.connected).toBe(false);
  });
});
