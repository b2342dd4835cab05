import cors from 'cors'
import express from 'express'
import helmet from 'helmet'
import readings from './routes/readings'
import { prisma } from './store'

const app = express()
const port = Number(process.env.PORT ?? 5122)

app.use(helmet())
app.use(cors({ origin: true, credentials: true }))
app.use(express.json({ limit: '1mb' }))

app.get('/api/health', (_req, res) => {
    res.json({ status: 'ok' })
})
app.use('/api/v1', readings)

prisma
    .$connect()
    .then(() => app.listen(port, () => console.log(`cloud-ingestion listens on ${port}`)))
    .catch((error: Error) => {
        console.error('cloud-ingestion cannot reach its database', error.message)
        process.exit(1)
    })
