import type { NextFunction, Request, Response } from 'express';
import { tokenService } from '../services/tokenService';

export function authenticate(req: Request, res: Response, next: NextFunction): void {
  const [scheme, token] = (req.headers.authorization || '').split(' ');
  try {
    if (scheme !== 'Bearer' || !token) {
      throw new Error('no bearer token');
    }
    res.locals.userId = tokenService.verifyAccess(token).sub;
    next();
  } catch {
    res.status(401).json({ error: { code: 'UNAUTHENTICATED', message: 'Sign in first.' } });
  }
}
