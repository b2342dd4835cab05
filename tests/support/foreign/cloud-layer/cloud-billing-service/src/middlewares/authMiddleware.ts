import { createHmac, timingSafeEqual } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';
import { refuse } from '../controllers/answers';

const inProduction = () => process.env.NODE_ENV === 'production';

function claimsOf(token: string, key: string): Record<string, any> {
  const [head, body, signature] = token.split('.').map((part) => Buffer.from(part, 'base64url'));
  const signed = token.slice(0, token.lastIndexOf('.'));
  const wanted = createHmac('sha256', key).update(signed).digest();
  if (!head || signature?.length !== wanted.length || !timingSafeEqual(signature, wanted)) return {};
  return JSON.parse(body.toString());
}

export function jwtAuthMiddleware(req: Request, res: Response, next: NextFunction): void {
  const token = /^Bearer (.+)$/.exec(req.get('authorization') ?? '')?.[1];
  if (!token && inProduction()) {
    refuse(res, 401, 'UNAUTHORIZED', 'a token is wanted');
    return;
  }
  const key = process.env.JWT_SECRET;
  const claims = token && key ? claimsOf(token, key) : {};
  res.locals.roles = [claims.roles ?? []].flat();
  res.locals.tenantId = claims.tenant_id;
  next();
}

export function requireRole(...allowed: string[]) {
  return (_req: Request, res: Response, next: NextFunction): void => {
    const may = allowed.some((role) => res.locals.roles.includes(role));
    if (may || !inProduction()) next();
    else refuse(res, 403, 'FORBIDDEN', `this is for ${allowed.join(', ')}`);
  };
}
