// Preloaded (node --require) into a service's process: its server listens on a free loopback port
// whatever port and host it asks for, one JSON line on standard output says which, and modules
// that are not installed are replaced by objects that answer every name.
'use strict';

const Module = require('node:module');
const net = require('node:net');

const stubbed = new Set();

function stub(name) {
  const target = function stubOf() {
    return stub(name);
  };
  return new Proxy(target, {
    get(_, property) {
      // Awaiting a stub must end, and converting one to text must not fail.
      if (property === 'then' || property === '__esModule') return undefined;
      if (property === Symbol.toPrimitive || property === 'toString') return () => `stub of ${name}`;
      return stub(name);
    },
    construct() {
      return stub(name);
    },
  });
}

const load = Module._load;
Module._load = function loadOrStub(request, parent, isMain) {
  try {
    return load.call(this, request, parent, isMain);
  } catch (error) {
    const own = request.startsWith('.') || request.startsWith('/');
    const optional = /node_modules/.test((parent && parent.filename) || '');
    if (error.code !== 'MODULE_NOT_FOUND' || own || optional || !error.message.includes(`'${request}'`)) {
      throw error;
    }
    stubbed.add(request);
    return stub(request);
  }
};

const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function listenOnLoopback(...args) {
  const done = args.find((argument) => typeof argument === 'function');
  this.once('listening', () => {
    const line = {
      closeout: 'listening',
      port: this.address().port,
      launcher: 'node launcher: own build and entry point, port moved to loopback',
      stubbed: [...stubbed],
    };
    process.stdout.write(`${JSON.stringify(line)}\n`);
  });
  return listen.call(this, { port: 0, host: '127.0.0.1' }, done);
};

const parent = Number(process.env.CLOSEOUT_PARENT || 0);
if (parent) {
  setInterval(() => {
    if (process.ppid !== parent) process.exit(0);
  }, 500).unref();
}
