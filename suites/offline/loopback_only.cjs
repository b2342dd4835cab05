'use strict';
// Lets Node's sockets connect to loopback and to Unix sockets, and nowhere else.
const net = require('node:net');

const connect = net.Socket.prototype.connect;

function isNear(host) {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

net.Socket.prototype.connect = function connectNearOnly(...given) {
  const [first, second] = Array.isArray(given[0]) ? given[0] : given;
  const options =
    first !== null && typeof first === 'object'
      ? first
      : Number.isInteger(Number(first))
        ? { port: first, host: typeof second === 'string' ? second : undefined }
        : { path: first };
  const host = options.host ?? 'localhost';
  if (options.path == null && !isNear(host)) {
    process.nextTick(() => this.destroy(new Error(`tests have no network: ${host} is not loopback`)));
    return this;
  }
  return connect.apply(this, given);
};
