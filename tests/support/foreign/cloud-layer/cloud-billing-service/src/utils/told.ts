import { logger } from './logger';

/** Do something for a caller who hears of a failure, and let the log hear of it too. */
export async function told<T>(what: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    logger.error(what, error);
    throw error;
  }
}
