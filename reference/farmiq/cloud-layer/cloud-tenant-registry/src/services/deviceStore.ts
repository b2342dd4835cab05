import { randomUUID } from 'crypto'
import { config } from '../config'

export interface Device {
    id: string
    serialNumber: string
    tenantId: string
    claimedAt: string
}

export class DeviceLimitError extends Error {}

class DeviceStore {
    private readonly devices = new Map<string, Device>()

    find(serialNumber: string): Device | undefined {
        return this.devices.get(serialNumber)
    }

    list(tenantId: string): Device[] {
        return [...this.devices.values()].filter((device) => device.tenantId === tenantId)
    }

    claim(serialNumber: string, tenantId: string): Device {
        if (this.list(tenantId).length >= config.maxDevicesPerTenant) {
            throw new DeviceLimitError(tenantId)
        }
        const device = {
            id: randomUUID(),
            serialNumber,
            tenantId,
            claimedAt: new Date().toISOString(),
        }
        this.devices.set(serialNumber, device)
        return device
    }
}

export const deviceStore = new DeviceStore()
