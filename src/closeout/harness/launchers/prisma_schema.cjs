// Reads the models and enums of a schema.prisma.
'use strict';

const SCALARS = new Set(['String', 'Int', 'BigInt', 'Float', 'Decimal', 'Boolean', 'DateTime', 'Json', 'Bytes']);

function plain(text) {
  // A comment begins outside of quotes.
  return text.replace(/"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*/g, (part) => (part.startsWith('"') ? part : ''));
}

function blocks(text, keyword) {
  const pattern = new RegExp(`^\\s*${keyword}\\s+(\\w+)\\s*\\{([^}]*)\\}`, 'gm');
  return [...plain(text).matchAll(pattern)].map(([, name, body]) => ({ name, body }));
}

// What stands in the parentheses of an attribute, empty where it has none.
function attribute(rest, name) {
  const at = rest.search(new RegExp(`${name}(?![\\w.])`));
  if (at < 0) return null;
  let index = at + name.length;
  if (rest[index] !== '(') return '';
  let depth = 0;
  const begin = index + 1;
  for (; index < rest.length; index += 1) {
    if (rest[index] === '(') depth += 1;
    if (rest[index] === ')' && (depth -= 1) === 0) break;
  }
  return rest.slice(begin, index);
}

function names(list) {
  return (list || '').split(',').map((name) => name.trim().replace(/\(.*$/, '')).filter(Boolean);
}

function relation(text) {
  if (text === null) return { name: '', fields: [], references: [] };
  const list = (word) => names((text.match(new RegExp(`${word}:\\s*\\[([^\\]]*)\\]`)) || [])[1]);
  const name = (text.match(/^\s*(?:name:\s*)?"([^"]*)"/) || [])[1] || '';
  return { name, fields: list('fields'), references: list('references') };
}

function field(line, enums) {
  const read = line.match(/^(\w+)\s+(\w+)(?:\([^)]*\))?(\[\])?(\?)?(.*)$/);
  if (!read) return null;
  const [, name, type, list, optional, rest] = read;
  const kind = SCALARS.has(type) ? 'scalar' : Object.hasOwn(enums, type) ? 'enum' : 'relation';
  return {
    name,
    type,
    kind,
    list: Boolean(list),
    optional: Boolean(optional),
    isId: attribute(rest, '@id') !== null,
    isUnique: attribute(rest, '@unique') !== null,
    isUpdatedAt: attribute(rest, '@updatedAt') !== null,
    default: attribute(rest, '@default'),
    relation: kind === 'relation' ? relation(attribute(rest, '@relation')) : null,
  };
}

// The fields that are one of a kind together, under the name that a `where` calls them by.
function compound(line) {
  const list = line.match(/^@@(?:id|unique)\(.*?\[([^\]]*)\]/);
  if (!list) return null;
  const fields = names(list[1]);
  const name = (line.match(/\bname:\s*"(\w+)"/) || [])[1] || fields.join('_');
  return { name, fields };
}

function readSchema(text) {
  const enums = Object.fromEntries(
    blocks(text, 'enum').map(({ name, body }) => {
      const values = body.split('\n').map((line) => line.trim().split(/\s+/)[0]);
      return [name, Object.fromEntries(values.filter((one) => /^\w+$/.test(one)).map((one) => [one, one]))];
    }),
  );
  const models = blocks(text, 'model').map(({ name, body }) => {
    const lines = body.split('\n').map((line) => line.trim());
    const fields = lines.filter((line) => /^\w/.test(line)).map((line) => field(line, enums));
    return {
      name,
      fields: new Map(fields.filter(Boolean).map((one) => [one.name, one])),
      compounds: lines.map(compound).filter(Boolean),
    };
  });
  return { models, enums };
}

module.exports = { readSchema };
