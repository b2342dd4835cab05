export const config = {
  nodeEnv: process.env.NODE_ENV || 'development',
  host: process.env.HOST || '0.0.0.0',
  port: Number(process.env.PORT || 5120),
  databaseUrl: process.env.DATABASE_URL,
  jwtSecret: process.env.JWT_SECRET,
  jwtRefreshSecret: process.env.JWT_REFRESH_SECRET || 'farmiq-refresh-secret',
  accessTokenTtl: process.env.JWT_EXPIRES_IN || '15m',
  refreshTokenTtl: process.env.JWT_REFRESH_EXPIRES_IN || '7d',
};

export function requireSetting(name: string, value: string | undefined): string {
  if (!value) {
    throw new Error(`${name} is not set`);
  }
  return value;
}
