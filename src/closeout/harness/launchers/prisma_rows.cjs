// One model's rows in memory: which a `where` means, what is shown of them, and what may come in.
'use strict';

const { randomUUID } = require('node:crypto');

class PrismaClientKnownRequestError extends Error {
  constructor(message, { code, meta } = {}) {
    super(message);
    this.name = 'PrismaClientKnownRequestError';
    this.code = code;
    this.meta = meta;
  }
}
class PrismaClientValidationError extends Error {
  constructor(message) {
    super(message);
    this.name = 'PrismaClientValidationError';
  }
}
class PrismaClientUnknownRequestError extends Error {}
class PrismaClientInitializationError extends Error {}
class PrismaClientRustPanicError extends Error {}
const errors = {
  PrismaClientKnownRequestError,
  PrismaClientValidationError,
  PrismaClientUnknownRequestError,
  PrismaClientInitializationError,
  PrismaClientRustPanicError,
};

const FITS = {
  String: (value) => typeof value === 'string',
  Int: (value) => Number.isInteger(value),
  BigInt: (value) => typeof value === 'bigint' || Number.isInteger(value),
  Float: (value) => typeof value === 'number',
  Decimal: (value) => ['number', 'string', 'object'].includes(typeof value),
  Boolean: (value) => typeof value === 'boolean',
  DateTime: (value) => value instanceof Date || (typeof value === 'string' && !Number.isNaN(Date.parse(value))),
  Json: () => true,
  Bytes: (value) => value instanceof Uint8Array,
};
const WORDS = new Set(
  'equals in notIn lt lte gt gte contains startsWith endsWith mode not has hasSome hasEvery isEmpty search path'.split(' '),
);

function comparable(value) {
  return value instanceof Date ? value.getTime() : value;
}

function like(given, operation, against, insensitive) {
  const low = (text) => (insensitive ? String(text).toLowerCase() : String(text));
  return given !== null && low(given)[operation](low(against));
}

class Rows {
  constructor(model, delegates, schema) {
    this.model = model;
    this.delegates = delegates;
    this.schema = schema;
    this.rows = [];
    this.serial = 0;
  }

  // Accounts for a model that has an address and a password, so that somebody can sign in.
  seed({ count, host, hash }) {
    const { fields } = this.model;
    const secret = ['password', 'passwordHash', 'password_hash', 'hashedPassword'].find((name) => fields.has(name));
    if (!fields.has('email') || !secret) return;
    for (let number = 0; number < count; number += 1) {
      const given = { email: `account${number}@${host}`, [secret]: hash };
      // The same in every process, as in one database that replicas share.
      const id = fields.get('id');
      if (id?.isId && id.type === 'String') given.id = `00000000-0000-4000-8000-${String(number).padStart(12, '0')}`;
      this.rows.push(this.filled({ ...this.demanded(given, number), ...given }));
    }
  }

  demanded(given, number) {
    const made = {};
    for (const field of this.model.fields.values()) {
      const free = field.optional || field.list || field.default !== null || field.isUpdatedAt;
      if (field.name in given || free || field.kind === 'relation') continue;
      const values = { Int: 1, BigInt: 1n, Float: 1, Decimal: 1, Boolean: true, DateTime: new Date(0), Json: {} };
      const text = field.isId || field.isUnique ? randomUUID() : `probe-${number}`;
      made[field.name] =
        field.kind === 'enum'
          ? Object.keys(this.schema.enums[field.type])[0]
          : (values[field.type] ?? (/tenant/i.test(field.name) ? 'tenant-probe' : text));
    }
    return made;
  }

  fault(message) {
    return new PrismaClientValidationError(`Invalid \`prisma.${this.model.name}\` invocation: ${message}`);
  }

  field(name) {
    const field = this.model.fields.get(name);
    if (!field) throw this.fault(`Unknown argument \`${name}\`.`);
    return field;
  }

  checked(field, value) {
    if (value === null && field.optional) return value;
    const fits =
      field.kind === 'enum'
        ? Object.hasOwn(this.schema.enums[field.type], String(value))
        : field.list
          ? Array.isArray(value)
          : value !== null && FITS[field.type](value);
    if (!fits) throw this.fault(`Argument \`${field.name}\`: Invalid value provided. Expected ${field.type}.`);
    return field.type === 'DateTime' && typeof value === 'string' ? new Date(value) : value;
  }

  // -- where ---------------------------------------------------------------------------------
  matches(row, where) {
    return Object.entries(where ?? {}).every(([name, wanted]) => this.holds(row, name, wanted));
  }

  holds(row, name, wanted) {
    const all = Array.isArray(wanted) ? wanted : [wanted];
    if (wanted === undefined) return true;
    if (name === 'AND') return all.every((one) => this.matches(row, one));
    if (name === 'OR') return all.some((one) => this.matches(row, one));
    if (name === 'NOT') return !all.some((one) => this.matches(row, one));
    const together = this.model.compounds.find((one) => one.name === name);
    if (together) return this.matches(row, wanted);
    const field = this.field(name);
    if (field.kind === 'relation') return this.related(row, field, wanted);
    return this.compares(field, row[name] ?? null, wanted);
  }

  compares(field, given, wanted) {
    if (wanted === null || typeof wanted !== 'object' || wanted instanceof Date || field.type === 'Json') {
      return comparable(given) === comparable(this.checked(field, wanted));
    }
    return Object.entries(wanted).every(([word, value]) => {
      if (!WORDS.has(word)) throw this.fault(`Unknown argument \`${word}\`.`);
      if (value === undefined || word === 'mode') return true;
      if (word === 'not') return !this.compares(field, given, value);
      const one = comparable(given);
      const same = (item) => one === comparable(item);
      const tests = {
        equals: () => same(value),
        in: () => value.some(same),
        notIn: () => !value.some(same),
        lt: () => one !== null && one < comparable(value),
        lte: () => one !== null && one <= comparable(value),
        gt: () => one !== null && one > comparable(value),
        gte: () => one !== null && one >= comparable(value),
        contains: () => like(given, 'includes', value, wanted.mode === 'insensitive'),
        startsWith: () => like(given, 'startsWith', value, wanted.mode === 'insensitive'),
        endsWith: () => like(given, 'endsWith', value, wanted.mode === 'insensitive'),
        has: () => (given ?? []).includes(value),
        hasSome: () => value.some((item) => (given ?? []).includes(item)),
        hasEvery: () => value.every((item) => (given ?? []).includes(item)),
        isEmpty: () => ((given ?? []).length === 0) === value,
      };
      return tests[word] ? tests[word]() : true;
    });
  }

  related(row, field, wanted) {
    const found = this.follow(row, field);
    const other = this.delegates.get(field.type);
    if (!field.list) {
      const { is, isNot, ...plain } = wanted ?? { is: null };
      if (isNot !== undefined) return !(found && other.matches(found, isNot));
      if (wanted === null || is === null) return !found;
      return Boolean(found) && other.matches(found, is ?? plain);
    }
    const { some, every, none } = wanted;
    return (
      (some === undefined || found.some((one) => other.matches(one, some))) &&
      (every === undefined || found.every((one) => other.matches(one, every))) &&
      (none === undefined || !found.some((one) => other.matches(one, none)))
    );
  }

  // The row or rows at the other end of a relation, by the keys that either end names.
  follow(row, field) {
    const other = this.delegates.get(field.type);
    if (!other) return field.list ? [] : null;
    const pairs = (fields, references) => fields.map((name, number) => [name, references[number]]);
    if (field.relation.fields.length) {
      const keys = pairs(field.relation.fields, field.relation.references);
      return other.rows.find((one) => keys.every(([here, there]) => row[here] === one[there])) ?? null;
    }
    const back = [...other.model.fields.values()].find(
      (one) => one.type === this.model.name && one.relation?.name === field.relation.name && one.relation.fields.length,
    );
    const linked = back
      ? other.rows.filter((one) =>
          pairs(back.relation.fields, back.relation.references).every(([there, here]) => one[there] === row[here]),
        )
      : [];
    return field.list ? linked : (linked[0] ?? null);
  }

  // -- rows out ------------------------------------------------------------------------------
  shown(row, { include, select } = {}) {
    if (!row) return row;
    const made = {};
    for (const field of this.model.fields.values()) {
      const asked = (select ?? include)?.[field.name];
      if (field.kind !== 'relation') {
        if (!select || asked) made[field.name] = row[field.name] ?? (field.list ? [] : null);
      } else if (asked) {
        const other = this.delegates.get(field.type);
        const found = this.follow(row, field);
        const more = asked === true ? {} : asked;
        made[field.name] = field.list ? other.some(found, more) : other.shown(found, more);
      }
    }
    if ((select ?? include)?._count) made._count = this.counted(row);
    return made;
  }

  counted(row) {
    const lists = [...this.model.fields.values()].filter((one) => one.kind === 'relation' && one.list);
    return Object.fromEntries(lists.map((one) => [one.name, this.follow(row, one).length]));
  }

  some(rows, { where, orderBy, skip = 0, take, include, select } = {}) {
    const found = rows.filter((row) => this.matches(row, where));
    for (const order of [orderBy ?? []].flat().reverse()) {
      const [[name, way]] = Object.entries(order);
      const sign = (way?.sort ?? way) === 'desc' ? -1 : 1;
      const key = (row) => comparable(row[name] ?? null);
      found.sort((one, two) => (key(one) === key(two) ? 0 : key(one) < key(two) ? -sign : sign));
    }
    const end = take === undefined ? undefined : skip + Math.abs(take);
    return found.slice(skip, end).map((row) => this.shown(row, { include, select }));
  }

  // -- rows in -------------------------------------------------------------------------------
  filled(given) {
    const row = {};
    for (const field of this.model.fields.values()) {
      if (field.kind === 'relation') continue;
      const value = given[field.name] ?? this.defaulted(field);
      if (value === undefined && !field.optional && !field.list) {
        throw this.fault(`Argument \`${field.name}\` is missing.`);
      }
      row[field.name] = value === undefined ? (field.list ? [] : null) : value;
    }
    return row;
  }

  insert(given) {
    const row = this.filled(given);
    this.refuseSecond(row);
    this.rows.push(row);
    return row;
  }

  defaulted(field) {
    if (field.isUpdatedAt) return new Date();
    if (field.default === null) return undefined;
    const [word] = field.default.split('(');
    const made = {
      now: () => new Date(),
      autoincrement: () => (this.serial += 1),
      uuid: randomUUID,
      cuid: randomUUID,
      ulid: randomUUID,
      dbgenerated: randomUUID,
    }[word];
    if (made && field.default.includes('(')) return made();
    if (field.kind === 'enum') return field.default;
    try {
      const value = JSON.parse(field.default);
      return field.type === 'Json' && typeof value === 'string' ? JSON.parse(value) : value;
    } catch {
      return field.default;
    }
  }

  refuseSecond(row, itself = null) {
    const single = [...this.model.fields.values()].filter((one) => one.isId || one.isUnique);
    const kinds = [...single.map((one) => [one.name]), ...this.model.compounds.map((one) => one.fields)];
    for (const names of kinds) {
      const key = names.map((name) => row[name]);
      if (key.some((value) => value === null || value === undefined)) continue;
      const same = (one) => one !== itself && names.every((name, n) => comparable(one[name]) === comparable(key[n]));
      if (this.rows.some(same)) {
        throw new PrismaClientKnownRequestError('Unique constraint failed', { code: 'P2002', meta: { target: names } });
      }
    }
  }
}

module.exports = { Rows, PrismaClientKnownRequestError, errors };
