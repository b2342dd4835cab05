// A Prisma client that answers by the shape of the models in schema.prisma, from memory. It refuses
// what the generated one refuses: a value of the wrong type, an unknown field, a second of its kind.
'use strict';

const fs = require('node:fs');
const path = require('node:path');

const { readSchema } = require('./prisma_schema.cjs');
const { errors } = require('./prisma_rows.cjs');
const { Delegate } = require('./prisma_verbs.cjs');
const { stub } = require('./node_stub.cjs');

const PLACES = ['prisma/schema.prisma', 'schema.prisma', 'src/prisma/schema.prisma'];

function found(folder) {
  let named = [];
  try {
    named = [JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).prisma?.schema];
  } catch {
    // No manifest that could be read names another place.
  }
  return [...named, ...PLACES]
    .filter((place) => typeof place === 'string')
    .map((place) => path.join(folder, place))
    .find((place) => fs.existsSync(place) && fs.statSync(place).isFile());
}

class Decimal extends Number {
  toNumber() {
    return Number(this);
  }
  toFixed(digits = 0) {
    return Number(this).toFixed(digits);
  }
  plus(other) {
    return new Decimal(this + other);
  }
  minus(other) {
    return new Decimal(this - other);
  }
  times(other) {
    return new Decimal(this * other);
  }
  div(other) {
    return new Decimal(this / other);
  }
}
Decimal.prototype.add = Decimal.prototype.plus;
Decimal.prototype.sub = Decimal.prototype.minus;
Decimal.prototype.mul = Decimal.prototype.times;

function raw(strings, ...values) {
  return { strings: [...strings], values };
}

function namespace(schema) {
  const known = {
    ...errors,
    Decimal,
    sql: raw,
    raw: (text) => raw([text]),
    join: (items) => raw(items.map(String)),
    empty: raw(['']),
    JsonNull: null,
    DbNull: null,
    AnyNull: null,
    ModelName: Object.fromEntries(schema.models.map(({ name }) => [name, name])),
    SortOrder: { asc: 'asc', desc: 'desc' },
    QueryMode: { default: 'default', insensitive: 'insensitive' },
    TransactionIsolationLevel: Object.fromEntries(
      ['ReadUncommitted', 'ReadCommitted', 'RepeatableRead', 'Serializable'].map((one) => [one, one]),
    ),
    defineExtension: (extension) => extension,
    validator: () => (value) => value,
  };
  return new Proxy(known, {
    get: (_, property) => (property in known ? known[property] : stub(`Prisma.${String(property)}`)),
  });
}

function clientClass(schema) {
  const delegates = new Map();
  for (const model of schema.models) {
    delegates.set(model.name, new Delegate(model, delegates, schema));
  }
  const seeds = JSON.parse(process.env.CLOSEOUT_ACCOUNTS || 'null');
  if (seeds) for (const delegate of delegates.values()) delegate.seed(seeds);
  return class PrismaClient {
    constructor() {
      for (const [name, delegate] of delegates) {
        this[name[0].toLowerCase() + name.slice(1)] = delegate;
      }
    }
    async $connect() {}
    async $disconnect() {}
    async $queryRaw() {
      return [];
    }
    async $queryRawUnsafe() {
      return [];
    }
    async $executeRaw() {
      return 0;
    }
    async $executeRawUnsafe() {
      return 0;
    }
    async $transaction(work) {
      return typeof work === 'function' ? work(this) : Promise.all(work);
    }
    $on() {}
    $use() {}
    $extends() {
      return this;
    }
  };
}

function client(folder) {
  const place = found(folder);
  if (place === undefined) return null;
  const schema = readSchema(fs.readFileSync(place, 'utf8'));
  const Prisma = namespace(schema);
  return {
    models: schema.models.length,
    exports: { PrismaClient: clientClass(schema), Prisma, ...schema.enums, $Enums: schema.enums },
  };
}

module.exports = { client };
