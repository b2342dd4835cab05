import { createHmac, timingSafeEqual } from 'crypto'
import { Router } from 'express'
import { prisma } from '../store'
import { signingKey } from '../vault'

const router = Router()

function isSigned(body: unknown, signature: string, key: string): boolean {
    const expected = createHmac('sha256', key).update(JSON.stringify(body)).digest()
    const given = Buffer.from(signature, 'hex')
    return given.length === expected.length && timingSafeEqual(given, expected)
}

router.post('/readings', async (req, res, next) => {
    try {
        const key = await signingKey
        if (!key || !isSigned(req.body, String(req.headers['x-signature'] ?? ''), key)) {
            return res.status(401).json({ error: { code: 'BAD_SIGNATURE' } })
        }
        const { count } = await prisma.reading.createMany({
            data: req.body.readings,
            skipDuplicates: true,
        })
        return res.status(202).json({ accepted: count })
    } catch (error) {
        return next(error)
    }
})

export default router
