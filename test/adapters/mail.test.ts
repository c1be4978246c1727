import { Writable } from 'node:stream';
import type { SMTPServerOptions } from 'smtp-server';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { SmtpMailer } from '../../src/adapters/mail.ts';
import { createLogger } from '../../src/logger.ts';
import { CheckedEnvironment } from '../../src/environment.ts';
import { mailConfig } from '../../src/mail-config.ts';
import { freePort } from '../support/sfera.ts';
import { startSmtp, type Smtp } from '../support/smtp.ts';

/** Sends mails to a real SMTP server on this machine. */

const lines: Record<string, unknown>[] = [];
const log = createLogger(
  'warn',
  new Writable({ write: (chunk: Buffer, _encoding, done) => (lines.push(JSON.parse(String(chunk)) as Record<string, unknown>), done()) }),
);
const open: { close(): Promise<void> }[] = [];
beforeEach(() => void (lines.length = 0));
afterEach(async () => {
  for (const each of open.splice(0)) await each.close();
});

async function start(options: SMTPServerOptions = {}, url?: string): Promise<{ smtp: Smtp; mailer: SmtpMailer }> {
  const smtp = await startSmtp(options);
  const settings = mailConfig(new CheckedEnvironment({ SMTP_URL: url ?? smtp.url, MAIL_FROM: 'Сфера <sfera@school.example>' }))!;
  const mailer = new SmtpMailer({ settings, log, retryDelaysMs: [20, 20] });
  open.push(mailer, smtp);
  return { smtp, mailer };
}

const mail = {
  to: 'pupil@school.example',
  subject: 'Ссылка для ёлки — №\u00a05',
  text: 'Здравствуйте, Ёлка!\n\nhttps://sfera.example/reset/x\n',
};
const post = (mailer: SmtpMailer) => mailer.post(() => Promise.resolve(mail));

it('sends plain text with a subject in UTF-8 to one address', async () => {
  const { smtp, mailer } = await start();
  post(mailer);
  await expect.poll(() => smtp.received).toHaveLength(1);
  expect(smtp.received[0]).toMatchObject({ to: [mail.to], subject: mail.subject, text: expect.stringContaining(mail.text.trim()) });
  expect(smtp.received[0]!.raw).toMatch(/^Content-Type: text\/plain; charset=utf-8/m);
  expect(smtp.received[0]!.raw).toMatch(/^Auto-Submitted: auto-generated/m);
  expect(smtp.received[0]!.raw).not.toMatch(/multipart|text\/html/);
  expect(lines).toEqual([]);
});

it('sends nothing if there is nothing to send', async () => {
  let connections = 0;
  const { mailer } = await start({ onConnect: (_session, done) => ((connections += 1), done()) });
  let composed = false;
  mailer.post(() => ((composed = true), Promise.resolve(null)));
  expect(composed).toBe(false);
  await expect.poll(() => composed).toBe(true);
  await mailer.close();
  expect([connections, lines]).toEqual([0, []]);
});

/** Returns the error with which an SMTP server refuses a recipient. Its message contains the address. */
const refusal = (responseCode: number) => Object.assign(new Error(`<${mail.to}> is refused`), { responseCode });

it('tries again after a temporary refusal', async () => {
  let attempts = 0;
  const { smtp, mailer } = await start({ onRcptTo: (_address, _session, done) => done((attempts += 1) < 3 ? refusal(451) : undefined) });
  post(mailer);
  await expect.poll(() => smtp.received).toHaveLength(1);
  expect([attempts, lines]).toEqual([3, []]);
});

it.each([
  [550, 1],
  [451, 3],
])('gives up after %i, tried %i times, and logs codes without the address', async (responseCode, expected) => {
  let attempts = 0;
  const { smtp, mailer } = await start({ onRcptTo: (_address, _session, done) => ((attempts += 1), done(refusal(responseCode))) });
  post(mailer);
  await expect.poll(() => lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ msg: 'a mail was not sent', code: 'EENVELOPE', responseCode });
  expect(JSON.stringify(lines)).not.toMatch(/pupil|school\.example|Ссылка|reset/);
  expect([attempts, smtp.received]).toEqual([expected, []]);
});

it('logs a server that does not answer, and a mail that could not be composed', async () => {
  const { mailer } = await start({}, `smtp://127.0.0.1:${await freePort()}`);
  post(mailer);
  await expect.poll(() => lines).toHaveLength(1);
  expect(lines[0]).toMatchObject({ msg: 'a mail was not sent', code: 'ESOCKET' });
  mailer.post(() => Promise.reject(Object.assign(new Error('pupil@school.example'), { code: '53100' })));
  await expect.poll(() => lines).toHaveLength(2);
  expect(lines[1]).toMatchObject({ code: '53100' });
  expect(JSON.stringify(lines)).not.toContain('pupil');
});

it('sends no password to another machine without TLS', async () => {
  const users: string[] = [];
  const { smtp } = await start({ onAuth: ({ username }, _session, done) => (users.push(username ?? ''), done(null, { user: 'u' })) });
  const settings = mailConfig(new CheckedEnvironment({ SMTP_URL: smtp.url.replace('//', '//u:p@'), MAIL_FROM: 'sfera@school.example' }))!;
  const mailer = new SmtpMailer({ settings: { ...settings, requireTls: true }, log, retryDelaysMs: [] });
  open.unshift(mailer);
  post(mailer);
  await expect.poll(() => lines).toHaveLength(1);
  expect([users, smtp.received]).toEqual([[], []]);
});

it('closing waits for the mail that is being sent, and gives up one that waits for another attempt', async () => {
  const { smtp, mailer } = await start({ onRcptTo: (_address, _session, done) => void setTimeout(() => done(), 100) });
  post(mailer);
  await mailer.close();
  expect(smtp.received).toHaveLength(1);
  const refusing = await startSmtp({ onRcptTo: (_address, _session, done) => done(refusal(451)) });
  const settings = mailConfig(new CheckedEnvironment({ SMTP_URL: refusing.url, MAIL_FROM: 'sfera@school.example' }))!;
  const waiting = new SmtpMailer({ settings, log, retryDelaysMs: [600_000] });
  post(waiting);
  await new Promise((resolve) => setTimeout(resolve, 200));
  await waiting.close();
  expect(lines).toMatchObject([{ msg: 'a mail was not sent' }]);
  await refusing.close();
});
