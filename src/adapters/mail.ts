import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { createTransport } from 'nodemailer';
import { Semaphore } from '../auth/semaphore.ts';
import { waitAtMost } from '../db/watchdog.ts';
import type { Mail, Mailer } from '../domain/mailer.ts';
import type { Logger } from '../logger.ts';
import type { MailConfig } from '../mail-config.ts';

/** Milliseconds before the second and the third attempt to send a mail. */
const defaultRetryDelaysMs = [5_000, 30_000] as const;

/** Milliseconds that `close` waits for mails that are being sent. */
const closingMs = 5_000;

const timeouts = { connectionTimeout: 10_000, greetingTimeout: 10_000, socketTimeout: 20_000, dnsTimeout: 10_000 };

interface SmtpMailerParts {
  settings: MailConfig;
  log: Logger;
  retryDelaysMs?: readonly number[];
}

/**
 * Sends mails by SMTP, two at a time; at most 200 more wait. Tries again after a temporary failure. Keeps mails only
 * in memory: after a crash, a person who still waits for a mail requests it again.
 */
export class SmtpMailer implements Mailer {
  readonly #transport: ReturnType<typeof createSmtpTransport>;
  readonly #from: MailConfig['from'];
  readonly #log: Logger;
  readonly #retryDelaysMs: readonly number[];
  readonly #slots = new Semaphore({ concurrency: 2, maxWaiting: 200 });
  readonly #pending = new Set<Promise<void>>();
  readonly #closing = new AbortController();

  constructor({ settings, log, retryDelaysMs = defaultRetryDelaysMs }: SmtpMailerParts) {
    this.#transport = createSmtpTransport(settings);
    this.#from = settings.from;
    this.#log = log;
    this.#retryDelaysMs = retryDelaysMs;
  }

  post(compose: () => Promise<Mail | null>): void {
    const work = this.#composeAndSend(compose)
      .catch((error: unknown) => this.#log.warn({ ...describe(error) }, 'a mail was not sent'))
      .finally(() => this.#pending.delete(work));
    this.#pending.add(work);
  }

  /** Waits at most `closingMs` for the mails that are being sent. Gives up mails that wait for another attempt. */
  async close(): Promise<void> {
    this.#closing.abort();
    await waitAtMost(closingMs, Promise.all(this.#pending));
    this.#transport.close();
  }

  async #composeAndSend(compose: () => Promise<Mail | null>): Promise<void> {
    // Lets the server write the answer to the request first.
    await nextTurn();
    const mail = await this.#slots.run(compose);
    if (mail === null) return;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#slots.run(() => this.#send(mail));
      } catch (error) {
        const delayMs = this.#retryDelaysMs[attempt];
        if (delayMs === undefined || !mayPass(error)) throw error;
        await sleep(delayMs, undefined, { signal: this.#closing.signal });
      }
    }
  }

  async #send({ to, subject, text }: Mail): Promise<void> {
    // Passes an object, because nodemailer would parse a text as a list of addresses.
    await this.#transport.sendMail({
      from: this.#from,
      to: { name: '', address: to },
      subject,
      text,
      // Asks mail servers not to send automatic replies (RFC 3834).
      headers: { 'Auto-Submitted': 'auto-generated' },
    });
  }
}

const createSmtpTransport = ({ host, port, secure, requireTls, auth }: MailConfig) =>
  createTransport({
    host,
    port,
    secure,
    requireTLS: requireTls,
    ...(auth === undefined ? {} : { auth }),
    ...timeouts,
    disableFileAccess: true,
    disableUrlAccess: true,
  });

interface SmtpError {
  code?: unknown;
  responseCode?: unknown;
}

/** Returns only the codes of an error, because its message may contain the mail address. */
function describe(error: unknown): { code: unknown; responseCode: unknown } {
  const { code = null, responseCode = null } = error as SmtpError;
  return { code, responseCode };
}

/** Returns whether another attempt may succeed: the server did not answer, or it answered with a temporary code (4xx). */
function mayPass(error: unknown): boolean {
  const { code, responseCode } = error as SmtpError;
  return typeof responseCode === 'number' ? responseCode < 500 : !['EAUTH', 'EENVELOPE', 'EMESSAGE'].includes(String(code));
}
