import { pool } from '../db';

export interface User {
  id: string;
  tenantId: string;
  email: string;
  displayName: string;
  passwordHash: string;
  role: string;
}

const COLUMNS =
  'id, tenant_id AS "tenantId", email, display_name AS "displayName", password_hash AS "passwordHash", role';

class UserService {
  async findByEmail(email: string): Promise<User | undefined> {
    const found = await pool.query<User>(
      `SELECT ${COLUMNS} FROM users WHERE email = $1 AND active`,
      [email.trim().toLowerCase()],
    );
    return found.rows[0];
  }

  async findById(id: string): Promise<User | undefined> {
    const found = await pool.query<User>(`SELECT ${COLUMNS} FROM users WHERE id = $1 AND active`, [id]);
    return found.rows[0];
  }
}

export const userService = new UserService();
