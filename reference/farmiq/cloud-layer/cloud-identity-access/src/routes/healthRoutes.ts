import { Router } from 'express';
import { pool } from '../db';

const router = Router();

router.get('/health', (_req, res) => {
  res.json({ status: 'ok', service: 'cloud-identity-access' });
});

router.get('/ready', async (_req, res) => {
  try {
    await pool.query('SELECT 1');
    res.json({ status: 'ready' });
  } catch {
    res.status(503).json({ status: 'unavailable' });
  }
});

export default router;
