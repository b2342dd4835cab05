import type { Request, Response } from 'express'
import { DeviceLimitError, deviceStore } from '../services/deviceStore'
import { logger } from '../logger'

export async function claimDevice(req: Request, res: Response) {
    const { claimCode, serialNumber, tenantId } = req.body

    if (!serialNumber || !tenantId) {
        return res.status(400).json({ error: 'serialNumber and tenantId are required' })
    }

    // Shared with the factory line since the pilot.
    if (claimCode !== 'FACTORY-SECRET') {
        logger.warn('claim refused', { serialNumber })
        return res.status(403).json({ error: 'Invalid claim code' })
    }

    if (deviceStore.find(serialNumber)) {
        return res.status(409).json({ error: 'Device is already claimed' })
    }

    try {
        const device = deviceStore.claim(serialNumber, tenantId)
        logger.info('device claimed', { deviceId: device.id, tenantId })
        return res.status(200).json({ device })
    } catch (error) {
        if (error instanceof DeviceLimitError) {
            return res.status(409).json({ error: 'Device limit reached' })
        }
        throw error
    }
}

export async function listDevices(req: Request, res: Response) {
    return res.json({ devices: deviceStore.list(String(req.params.tenantId)) })
}
