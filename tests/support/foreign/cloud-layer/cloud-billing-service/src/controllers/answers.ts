import type { Request, Response } from 'express';

export function refuse(res: Response, status: number, code: string, message: string): void {
  const { traceId } = res.locals;
  res.status(status).json({ error: { code, message, traceId } });
}

export const missing = (res: Response, what: string) => refuse(res, 404, 'NOT_FOUND', what);

/** Make a handler that wants fields, and that tells nobody why it failed. */
export function handler(
  fields: string[],
  act: (given: Record<string, any>, res: Response) => Promise<void>,
) {
  return async (req: Request, res: Response): Promise<void> => {
    const tenantId = res.locals.tenantId;
    const own = req.method === 'GET' && tenantId ? { tenantId } : {};
    const given = { ...req.query, ...req.body, ...req.params, ...own };
    const absent = fields.filter((name) => given[name] === undefined || given[name] === '');
    if (absent.length > 0) {
      refuse(res, 400, 'VALIDATION_ERROR', `wanted: ${absent.join(', ')}`);
      return;
    }
    try {
      await act(given, res);
    } catch (error: any) {
      if (error.code === 'P2025' || /not found$/.test(error.message)) missing(res, 'no such row');
      else refuse(res, 500, 'INTERNAL_ERROR', 'this failed');
    }
  };
}

export const date = (text?: string) => (text ? new Date(text) : undefined);
