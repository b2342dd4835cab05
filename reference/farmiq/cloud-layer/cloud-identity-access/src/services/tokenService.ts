import { randomUUID } from 'crypto';
import jwt, { type JwtPayload, type SignOptions } from 'jsonwebtoken';
import { config, requireSetting } from '../config';
import type { User } from './userService';

const accessSecret = requireSetting('JWT_SECRET', config.jwtSecret);
const refreshSecret = config.jwtRefreshSecret;

export interface TokenPair {
  accessToken: string;
  refreshToken: string;
  tokenType: 'Bearer';
}

function sign(claims: object, secret: string, ttl: string): string {
  return jwt.sign(claims, secret, {
    algorithm: 'HS256',
    expiresIn: ttl as SignOptions['expiresIn'],
    jwtid: randomUUID(),
  });
}

function verify(token: string, secret: string): JwtPayload {
  const claims = jwt.verify(token, secret, { algorithms: ['HS256'] });
  if (typeof claims === 'string') {
    throw new jwt.JsonWebTokenError('unexpected payload');
  }
  return claims;
}

class TokenService {
  issue(user: User): TokenPair {
    const claims = { sub: user.id, tenantId: user.tenantId, role: user.role };
    return {
      accessToken: sign({ ...claims, use: 'access' }, accessSecret, config.accessTokenTtl),
      refreshToken: sign({ sub: user.id, use: 'refresh' }, refreshSecret, config.refreshTokenTtl),
      tokenType: 'Bearer',
    };
  }

  verifyAccess(token: string): JwtPayload {
    return verify(token, accessSecret);
  }

  verifyRefresh(token: string): JwtPayload {
    return verify(token, refreshSecret);
  }
}

export const tokenService = new TokenService();
