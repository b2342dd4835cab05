import express, { type NextFunction, type Request, type Response } from 'express'
import helmet from 'helmet'
import { config } from './config'
import { logger } from './logger'
import { provisioningRoutes } from './routes/provisioningRoutes'

const app = express()

app.use(helmet())
app.use(express.json())

app.get('/api/health', (_req, res) => {
    res.json({ status: 'ok', service: 'cloud-tenant-registry' })
})
app.use('/api/v1/provisioning', provisioningRoutes)

app.use((_req: Request, res: Response) => {
    res.status(404).json({ error: 'Not found' })
})
app.use((error: Error & { status?: number }, _req: Request, res: Response, _next: NextFunction) => {
    const status = error.status && error.status < 500 ? error.status : 500
    if (status === 500) logger.error('request failed', { reason: error.message })
    res.status(status).json({ error: status === 500 ? 'Internal error' : 'Bad request' })
})

const server = app.listen(config.port, config.host, () => {
    logger.info('cloud-tenant-registry listens', { port: config.port })
})

process.on('SIGTERM', () => server.close(() => process.exit(0)))

export default app
