export const config = {
    nodeEnv: process.env.NODE_ENV || 'development',
    host: process.env.HOST || '0.0.0.0',
    port: Number(process.env.PORT || 5121),
    logLevel: process.env.LOG_LEVEL || 'info',
    maxDevicesPerTenant: Number(process.env.MAX_DEVICES_PER_TENANT || 500),
}
