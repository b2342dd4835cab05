// The verbs that a Prisma client has for a model, over its rows in memory.
'use strict';

const { Rows, PrismaClientKnownRequestError } = require('./prisma_rows.cjs');

const CHANGES = {
  set: (_, by) => by,
  increment: (value, by) => value + by,
  decrement: (value, by) => value - by,
  multiply: (value, by) => value * by,
  divide: (value, by) => value / by,
  push: (value, by) => [...(value ?? []), ...[by].flat()],
};

function absent(name) {
  const message = `An operation failed because it depends on one or more records that were required but not found: ${name}`;
  return new PrismaClientKnownRequestError(message, { code: 'P2025', meta: { modelName: name } });
}

class Delegate extends Rows {
  // -- reading -------------------------------------------------------------------------------
  one(where) {
    const given = Object.entries(where ?? {}).filter(([, value]) => value !== undefined);
    const isUnique = given.some(([name]) => {
      const field = this.model.fields.get(name);
      return field ? field.isId || field.isUnique : this.model.compounds.some((one) => one.name === name);
    });
    if (!isUnique) throw this.fault('Argument `where` needs at least one of the unique fields.');
    return this.rows.find((row) => this.matches(row, where)) ?? null;
  }

  async findUnique(asked = {}) {
    return this.shown(this.one(asked.where), asked);
  }

  async findUniqueOrThrow(asked = {}) {
    return this.shown(this.wanted(asked.where), asked);
  }

  async findFirst(asked = {}) {
    return this.some(this.rows, asked)[0] ?? null;
  }

  async findFirstOrThrow(asked = {}) {
    const [found] = this.some(this.rows, asked);
    if (!found) throw absent(this.model.name);
    return found;
  }

  async findMany(asked = {}) {
    return this.some(this.rows, asked ?? {});
  }

  async count({ where } = {}) {
    return this.rows.filter((row) => this.matches(row, where)).length;
  }

  async aggregate(asked = {}) {
    return this.summed(this.rows.filter((row) => this.matches(row, asked.where)), asked);
  }

  async groupBy({ by, where, ...asked }) {
    const names = [by].flat();
    const groups = new Map();
    for (const row of this.rows.filter((one) => this.matches(one, where))) {
      const key = JSON.stringify(names.map((name) => row[name]));
      groups.set(key, [...(groups.get(key) ?? []), row]);
    }
    return [...groups.values()].map((rows) => ({
      ...Object.fromEntries(names.map((name) => [name, rows[0][name]])),
      ...this.summed(rows, asked),
    }));
  }

  summed(rows, asked) {
    const made = {};
    const each = (word, work) => {
      if (!asked[word]) return;
      const names = Object.keys(asked[word] === true ? {} : asked[word]);
      const values = (name) => rows.map((row) => row[name]).filter((value) => value !== null && value !== undefined);
      made[word] = Object.fromEntries(names.map((name) => [name, values(name).length ? work(values(name)) : null]));
    };
    const sum = (values) => values.reduce((one, two) => Number(one) + Number(two), 0);
    each('_sum', sum);
    each('_avg', (values) => sum(values) / values.length);
    each('_min', (values) => values.reduce((one, two) => (two < one ? two : one)));
    each('_max', (values) => values.reduce((one, two) => (two > one ? two : one)));
    if (asked._count) {
      const names = Object.keys(asked._count === true ? {} : asked._count);
      made._count = names.length ? Object.fromEntries(names.map((name) => [name, rows.length])) : rows.length;
    }
    return made;
  }

  // -- writing -------------------------------------------------------------------------------
  wanted(where) {
    const found = this.one(where);
    if (!found) throw absent(this.model.name);
    return found;
  }

  async create(asked = {}) {
    return this.shown(this.born(asked.data), asked);
  }

  born(data) {
    const { plain, nested } = this.parted(data ?? {});
    for (const [field, work] of nested) if (field.relation.fields.length) this.point(plain, field, work);
    const row = this.insert(plain);
    for (const [field, work] of nested) if (!field.relation.fields.length) this.attach(row, field, work);
    return row;
  }

  // What a change says of the model's own columns, checked, and what it says of other models.
  parted(data) {
    const plain = {};
    const nested = [];
    for (const [name, value] of Object.entries(data)) {
      const field = this.field(name);
      if (value === undefined) continue;
      if (field.kind === 'relation') nested.push([field, value]);
      else plain[name] = this.checked(field, field.list && value?.set ? value.set : value);
    }
    return { plain, nested };
  }

  point(plain, field, work) {
    const other = this.delegates.get(field.type);
    const found = work.connect
      ? other.wanted(work.connect)
      : work.connectOrCreate
        ? (other.one(work.connectOrCreate.where) ?? other.born(work.connectOrCreate.create))
        : work.create
          ? other.born(work.create)
          : null;
    field.relation.fields.forEach((name, number) => {
      if (found) plain[name] = found[field.relation.references[number]];
    });
  }

  attach(row, field, work) {
    const other = this.delegates.get(field.type);
    const back = [...other.model.fields.values()].find(
      (one) => one.type === this.model.name && one.relation?.name === field.relation.name && one.relation.fields.length,
    );
    if (!back) return;
    const keys = Object.fromEntries(back.relation.fields.map((name, n) => [name, row[back.relation.references[n]]]));
    const born = [work.create ?? [], work.createMany?.data ?? []].flat();
    for (const data of born) other.born({ ...data, ...keys });
    for (const where of [work.connect ?? []].flat()) Object.assign(other.wanted(where), keys);
  }

  changed(row, data) {
    const made = { ...row };
    for (const [name, value] of Object.entries(data ?? {})) {
      const field = this.field(name);
      if (value === undefined) continue;
      const word = field.kind !== 'relation' && field.type !== 'Json' && value !== null && Object.keys(value)[0];
      if (field.kind === 'relation') {
        if (field.relation.fields.length) this.point(made, field, value);
        else this.attach(row, field, value);
      } else if (typeof value === 'object' && Object.hasOwn(CHANGES, word || '')) {
        made[name] = CHANGES[word](row[name], value[word]);
      } else made[name] = this.checked(field, value);
    }
    for (const field of this.model.fields.values()) if (field.isUpdatedAt) made[field.name] = new Date();
    this.refuseSecond(made, row);
    return Object.assign(row, made);
  }

  async update(asked) {
    return this.shown(this.changed(this.wanted(asked.where), asked.data), asked);
  }

  async updateMany({ where, data } = {}) {
    const found = this.rows.filter((row) => this.matches(row, where));
    for (const row of found) this.changed(row, data);
    return { count: found.length };
  }

  async upsert(asked) {
    const found = this.one(asked.where);
    return this.shown(found ? this.changed(found, asked.update) : this.born(asked.create), asked);
  }

  async createMany({ data, skipDuplicates } = {}) {
    let count = 0;
    for (const item of [data].flat()) {
      try {
        this.born(item);
        count += 1;
      } catch (error) {
        if (!skipDuplicates || error.code !== 'P2002') throw error;
      }
    }
    return { count };
  }

  async createManyAndReturn({ data, ...asked } = {}) {
    return [data].flat().map((item) => this.shown(this.born(item), asked));
  }

  async delete(asked) {
    const found = this.wanted(asked.where);
    const told = this.shown(found, asked);
    this.rows = this.rows.filter((row) => row !== found);
    return told;
  }

  async deleteMany({ where } = {}) {
    const kept = this.rows.filter((row) => !this.matches(row, where));
    const count = this.rows.length - kept.length;
    this.rows = kept;
    return { count };
  }
}

module.exports = { Delegate };
