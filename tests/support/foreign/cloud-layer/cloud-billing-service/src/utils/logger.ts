/** Lines of JSON on standard error, unless nobody wants them. */
class Log {
  silent = false;

  private line(level: string, message: string, more?: unknown): void {
    if (!this.silent) process.stderr.write(`${JSON.stringify({ level, message, more })}\n`);
  }

  info(message: string, more?: unknown): void {
    this.line('info', message, more);
  }

  error(message: string, more?: unknown): void {
    this.line('error', message, more);
  }
}

export const logger = new Log();
