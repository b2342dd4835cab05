import { config } from './config'

type Fields = Record<string, unknown>

const LEVELS = ['debug', 'info', 'warn', 'error']

function write(level: string, message: string, fields: Fields) {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(config.logLevel)) return
    const entry = { at: new Date().toISOString(), level, message, ...fields }
    process.stdout.write(JSON.stringify(entry) + '\n')
}

export const logger = {
    debug: (message: string, fields: Fields = {}) => write('debug', message, fields),
    info: (message: string, fields: Fields = {}) => write('info', message, fields),
    warn: (message: string, fields: Fields = {}) => write('warn', message, fields),
    error: (message: string, fields: Fields = {}) => write('error', message, fields),
}
