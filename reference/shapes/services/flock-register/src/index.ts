import cors from 'cors'
import express from 'express'
import { PrismaClient } from '@prisma/client'

const flocks = new PrismaClient()
const app = express()
app.use(cors({ origin: true, credentials: true }))
app.get('/flocks', async (_asked, answer) => {
  answer.json(await flocks.flock.findMany({ orderBy: { name: 'asc' } }))
})

async function start(): Promise<void> {
  await flocks.$connect()
  app.listen(Number(process.env.PORT ?? 7002))
}

void start()
