import { expect, it } from 'vitest';
import { ConfigError } from '../src/config-error.ts';
import { CheckedEnvironment } from '../src/environment.ts';
import { mailConfig } from '../src/mail-config.ts';

const from = 'Школа № 98 <sfera@school.example>';

it.each([
  [
    { SMTP_URL: 'smtp://mail.example', MAIL_FROM: 'sfera@школа.рф' },
    { host: 'mail.example', port: 587, secure: false, requireTls: false, auth: undefined, from: { name: '', address: 'sfera@школа.рф' } },
  ],
  [
    { SMTP_URL: 'smtps://u%40x:p%3Aw@mail.example/', MAIL_FROM: from },
    {
      port: 465,
      secure: true,
      requireTls: false,
      auth: { user: 'u@x', pass: 'p:w' },
      from: { name: 'Школа № 98', address: 'sfera@school.example' },
    },
  ],
  [
    { SMTP_URL: 'smtp://u:p@mail.example:25', MAIL_FROM: from },
    { port: 25, requireTls: true },
  ],
  [
    { SMTP_URL: 'smtp://u:p@127.0.0.1:1025', MAIL_FROM: from },
    { port: 1025, requireTls: false },
  ],
  [{ SMTP_URL: 'smtp://[::1]:1025', MAIL_FROM: from }, { host: '::1' }],
])('reads %j', (env, expected) => {
  expect(mailConfig(new CheckedEnvironment(env))).toMatchObject(expected);
});

it.each([
  [{ SMTP_URL: 'https://mail.example', MAIL_FROM: from }, /^SMTP_URL must be/],
  [{ SMTP_URL: 'mail.example:25', MAIL_FROM: from }, /^SMTP_URL must be/],
  [{ SMTP_URL: 'smtp://u:geheim@mail.example/x', MAIL_FROM: from }, /^SMTP_URL must be/],
  [{ SMTP_URL: 'smtp://u:geheim@mail.example?pool=true', MAIL_FROM: from }, /^SMTP_URL must be/],
  [{ SMTP_URL: 'smtp://u:geheim%@mail.example', MAIL_FROM: from }, /^SMTP_URL must be/],
  [{ SMTP_URL: 'smtp://u:geheim@mail.example' }, /^MAIL_FROM must be set with SMTP_URL/],
  [{ SMTP_URL: 'smtp://mail.example', MAIL_FROM: 'the school' }, /^MAIL_FROM must be/],
  [{ SMTP_URL: 'smtp://mail.example', MAIL_FROM: 'a@b.ru, c@d.ru' }, /^MAIL_FROM must be/],
  [{ SMTP_URL: 'smtp://mail.example', MAIL_FROM: 'x\r\nBcc: a <a@b.ru>' }, /^MAIL_FROM must be/],
])('refuses %j in one line that does not repeat the password', (env, expected) => {
  const read = () => mailConfig(new CheckedEnvironment(env));
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(expected);
  expect(read).not.toThrow(/geheim|\n/);
});

it('sends no mail without SMTP_URL, and warns of a sender that has no effect', () => {
  const withSender = new CheckedEnvironment({ MAIL_FROM: from });
  expect([mailConfig(new CheckedEnvironment({})), mailConfig(withSender)]).toEqual([undefined, undefined]);
  expect(withSender.warnings).toEqual(['MAIL_FROM has no effect without SMTP_URL.']);
});
