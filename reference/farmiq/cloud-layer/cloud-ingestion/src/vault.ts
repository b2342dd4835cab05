// The signing key lives in Vault; the service asks for it as soon as it is loaded.
const address = process.env.VAULT_ADDR || 'http://localhost:8200'

interface VaultAnswer {
    data: { data: { hmac: string } }
}

async function fetchSigningKey(): Promise<string> {
    const token = process.env.VAULT_TOKEN
    if (!token) {
        return process.env.INGESTION_HMAC_SECRET ?? ''
    }
    const answer = await fetch(`${address}/v1/secret/data/ingestion`, {
        headers: { 'X-Vault-Token': token },
    })
    if (!answer.ok) {
        throw new Error(`vault answered ${answer.status}`)
    }
    return ((await answer.json()) as VaultAnswer).data.data.hmac
}

export const signingKey = fetchSigningKey()
