import type { NextFunction, Request, Response } from 'express';
import { logger } from '../logger';

interface HttpError extends Error {
  status?: number;
  type?: string;
}

export function notFound(_req: Request, res: Response): void {
  res.status(404).json({ error: { code: 'NOT_FOUND', message: 'No such route.' } });
}

export function errorHandler(
  error: HttpError,
  req: Request,
  res: Response,
  _next: NextFunction,
): void {
  const status = error.status && error.status < 500 ? error.status : 500;
  if (status === 500) {
    logger.error('request failed', { path: req.path, reason: error.message });
  }
  res.status(status).json({
    error: {
      code: status === 500 ? 'INTERNAL_ERROR' : 'BAD_REQUEST',
      message: status === 500 ? 'Something went wrong.' : 'The request could not be read.',
    },
  });
}
