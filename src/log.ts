import { pino, type DestinationStream, type Logger, type LoggerOptions } from 'pino';

export type { Logger };

/** Structured lines, on standard output unless told otherwise. Ids only: what names a person is never handed to it, and is cut if it is. */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level,
    base: { service: 'sfera' },
    redact: {
      paths: ['*.password', '*.token', '*.code', '*.email', '*.phone', 'req.headers.authorization', 'req.headers.cookie'],
      remove: true,
    },
    serializers: { err: (error: Error) => ({ type: error.name, code: (error as { code?: string }).code, stack: frames(error) }) },
  };
  return destination === undefined ? pino(options) : pino(options, destination);
}

/** Where it went wrong without what it said: a database's message may quote a row. */
function frames({ stack = '', message }: Error): string | undefined {
  // What was said may have lines that look like places; where it is not found, nothing can be told apart.
  const said = stack.indexOf(message);
  if (said === -1) return undefined;
  return stack.slice(said + message.length).split('\n').filter((line) => /^\s+at /.test(line)).join('\n');
}
