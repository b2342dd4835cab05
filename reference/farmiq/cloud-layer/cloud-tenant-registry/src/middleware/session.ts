import type { NextFunction, Request, Response } from 'express'
import jwt from 'jsonwebtoken'

// The gateway has checked the signature already.
export function session(req: Request, res: Response, next: NextFunction) {
    const token = (req.headers.authorization || '').replace(/^Bearer /, '')
    const claims = jwt.decode(token)
    if (!claims || typeof claims === 'string') {
        return res.status(401).json({ error: 'Sign in first' })
    }
    res.locals.tenantId = claims.tenantId
    next()
}
