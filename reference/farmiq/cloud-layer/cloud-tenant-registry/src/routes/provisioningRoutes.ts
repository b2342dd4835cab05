import { Router } from 'express'
import { claimDevice, listDevices } from '../controllers/provisioning'
import { session } from '../middleware/session'

export const provisioningRoutes = Router()

provisioningRoutes.post('/claim', claimDevice)
provisioningRoutes.get('/tenants/:tenantId/devices', session, listDevices)
