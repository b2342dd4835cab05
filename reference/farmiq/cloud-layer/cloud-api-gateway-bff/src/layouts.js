'use strict';

const { Pool } = require('pg');
const { config } = require('./config');

const pool = config.databaseUrl ? new Pool({ connectionString: config.databaseUrl, max: 5 }) : null;

async function readLayout(userId) {
  if (!pool) {
    return null;
  }
  const found = await pool.query('SELECT layout FROM dashboard_layout WHERE user_id = $1', [userId]);
  return found.rows[0]?.layout ?? null;
}

async function writeLayout(userId, layout) {
  if (!pool) {
    return false;
  }
  await pool.query(
    `INSERT INTO dashboard_layout (user_id, layout) VALUES ($1, $2)
     ON CONFLICT (user_id) DO UPDATE SET layout = EXCLUDED.layout`,
    [userId, layout],
  );
  return true;
}

module.exports = { readLayout, writeLayout };
