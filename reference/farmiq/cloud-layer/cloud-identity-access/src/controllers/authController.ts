import bcrypt from 'bcryptjs';
import type { NextFunction, Request, Response } from 'express';
import { logger } from '../logger';
import { tokenService } from '../services/tokenService';
import { userService, type User } from '../services/userService';

function profile(user: User) {
  return {
    id: user.id,
    tenantId: user.tenantId,
    email: user.email,
    displayName: user.displayName,
    role: user.role,
  };
}

class AuthController {
  login = async (req: Request, res: Response, next: NextFunction): Promise<void> => {
    try {
      const { email, password } = req.body;
      const user = await userService.findByEmail(email);
      if (!user || !(await bcrypt.compare(password, user.passwordHash))) {
        logger.warn('login refused');
        res.status(401).json({
          error: { code: 'INVALID_CREDENTIALS', message: 'Email or password is wrong.' },
        });
        return;
      }
      res.json({ ...tokenService.issue(user), user: profile(user) });
    } catch (error) {
      next(error);
    }
  };

  refresh = async (req: Request, res: Response, next: NextFunction): Promise<void> => {
    try {
      const user = await this.userOfRefreshToken(req.body.refreshToken);
      if (!user) {
        res.status(401).json({
          error: { code: 'INVALID_REFRESH_TOKEN', message: 'The refresh token is not valid.' },
        });
        return;
      }
      res.json(tokenService.issue(user));
    } catch (error) {
      next(error);
    }
  };

  me = async (req: Request, res: Response, next: NextFunction): Promise<void> => {
    try {
      const user = await userService.findById(res.locals.userId as string);
      if (!user) {
        res.status(404).json({ error: { code: 'USER_NOT_FOUND', message: 'No such user.' } });
        return;
      }
      res.json({ user: profile(user) });
    } catch (error) {
      next(error);
    }
  };

  private async userOfRefreshToken(token: string): Promise<User | undefined> {
    try {
      const claims = tokenService.verifyRefresh(token);
      return await userService.findById(String(claims.sub));
    } catch (error) {
      if (error instanceof Error && error.name.endsWith('Error') && 'code' in error) {
        throw error;
      }
      return undefined;
    }
  }
}

export const authController = new AuthController();
