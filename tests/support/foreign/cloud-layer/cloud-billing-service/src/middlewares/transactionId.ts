import { randomUUID } from 'node:crypto';
import type { NextFunction, Request, Response } from 'express';

export function transactionIdMiddleware(req: Request, res: Response, next: NextFunction): void {
  for (const name of ['request', 'trace']) {
    const number = req.get(`x-${name}-id`) ?? randomUUID();
    res.locals[`${name}Id`] = number;
    res.setHeader(`x-${name}-id`, number);
  }
  next();
}
