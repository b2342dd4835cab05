// Objects that answer every name, for modules that are not there or whose servers are not.
'use strict';

function isClass(value) {
  return typeof value === 'function' && /^class\b/.test(Function.prototype.toString.call(value));
}

// Called as a decorator, a stub leaves what it decorates as it is.
function decorates(given) {
  return (
    (given.length === 1 && isClass(given[0])) ||
    ((given.length === 2 || given.length === 3) &&
      given[0] !== null &&
      typeof given[0] === 'object' &&
      (typeof given[1] === 'string' || typeof given[1] === 'symbol') &&
      Object.hasOwn(given[0], 'constructor'))
  );
}

// What a call answers may be waited for in either way, and what it brings is waited for no more.
function stub(name, isAnswer = false) {
  const held = new Map();
  const target = function stubOf() {};
  // A compiled `import` copies a module's own names and takes all others from its prototype.
  const names = new Proxy({}, { get: (_, property) => itself[property] });
  const itself = new Proxy(target, {
    getPrototypeOf: () => names,
    get(_, property) {
      if (held.has(property)) return held.get(property);
      // Awaiting a stub must end, and converting one to text must not fail.
      if (property === 'then' && isAnswer) {
        return (...taken) => Promise.resolve(stub(name)).then(...taken);
      }
      if (property === 'then' || property === '__esModule') return undefined;
      // A data layer's own verbs, such as $connect, are awaited.
      if (typeof property === 'string' && property.startsWith('$')) {
        return () => Promise.resolve(stub(name));
      }
      if (property === Symbol.toPrimitive || property === 'toString') return () => `stub of ${name}`;
      if (property === Symbol.iterator) return () => [][Symbol.iterator]();
      if (property === Symbol.asyncIterator) return async function* nothing() {};
      held.set(property, stub(name));
      return held.get(property);
    },
    set(_, property, value) {
      held.set(property, value);
      return true;
    },
    apply(_, __, given) {
      return decorates(given) ? undefined : stub(name, true);
    },
    construct(_, __, asked) {
      // A class that extends a stub keeps its own methods.
      return asked === itself ? stub(name) : Object.create(asked.prototype);
    },
  });
  return itself;
}

// What talks to a server that nobody started here: databases through a mapper, queues, vaults,
// clouds and tracers. A driver that the harness has a server for is the service's own.
const { clients } = require('./clients.json');

function isClient(request) {
  return clients.some((name) =>
    name.endsWith('/') ? request.startsWith(name) : request === name || request.startsWith(`${name}/`),
  );
}

module.exports = { stub, isClient };
