import { ConfigError } from './config-error.ts';
import type { CheckedEnvironment } from './environment.ts';

/** The SMTP server that sends the mails, and the sender's address. */
export interface MailConfig {
  host: string;
  port: number;
  /** Whether the connection begins with TLS (`smtps:`). Otherwise STARTTLS is used if the server offers it. */
  secure: boolean;
  /** Whether to send only over TLS. */
  requireTls: boolean;
  auth: { user: string; pass: string } | undefined;
  from: { name: string; address: string };
}

const sender = /^(?:([^<>"\r\n]*?)\s*<([^\s<>@,;"]+@[^\s<>@,;"]+)>|([^\s<>@,;"]+@[^\s<>@,;"]+))$/u;

/**
 * Reads SMTP_URL and MAIL_FROM. Returns undefined without SMTP_URL: the server then sends no mail.
 * @throws ConfigError with one line. The line never repeats the URL, because the URL contains a password.
 */
export function mailConfig(env: Pick<CheckedEnvironment, 'get' | 'warnings'>): MailConfig | undefined {
  const [url, from] = [env.get('SMTP_URL'), env.get('MAIL_FROM')];
  if (url === undefined) {
    if (from !== undefined) env.warnings.push('MAIL_FROM has no effect without SMTP_URL.');
    return undefined;
  }
  const { auth, hostname, port, protocol } = parseUrl(url);
  const [, name = '', address, bareAddress] = sender.exec(from ?? '') ?? [];
  const fromAddress = address ?? bareAddress;
  if (fromAddress === undefined)
    throw new ConfigError('MAIL_FROM must be set with SMTP_URL: an address such as Sfera <sfera@school.example>.');
  const secure = protocol === 'smtps:';
  return {
    host: hostname.replace(/^\[|\]$/g, ''),
    port: port === '' ? (secure ? 465 : 587) : Number(port),
    secure,
    // Sends a password without TLS only to a server on this machine.
    requireTls: !secure && auth !== undefined && !['localhost', '127.0.0.1', '[::1]'].includes(hostname),
    auth,
    from: { name, address: fromAddress },
  };
}

function parseUrl(text: string): Pick<URL, 'hostname' | 'port' | 'protocol'> & Pick<MailConfig, 'auth'> {
  try {
    const { hostname, port, protocol, username, password, pathname, search, hash } = new URL(text);
    const isBare = ['', '/'].includes(pathname) && search === '' && hash === '';
    if (['smtp:', 'smtps:'].includes(protocol) && hostname !== '' && isBare) {
      const auth = username === '' ? undefined : { user: decodeURIComponent(username), pass: decodeURIComponent(password) };
      return { hostname, port, protocol, auth };
    }
  } catch {
    // The text is not a URL, or has an invalid percent-encoding.
  }
  throw new ConfigError(
    'SMTP_URL must be a URL of the form smtp://USER:PASSWORD@HOST:PORT or smtps://…, with special characters percent-encoded.',
  );
}
