import type { SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { resetPassword } from '../../../src/domain/passwords.ts';
import { Browser, openAuthServer, password, type AuthServer, type Seen } from '../../support/auth-server.ts';
import { startSmtp, type Smtp } from '../../support/smtp.ts';

/** `/password/forgotten`: the page says whom to ask, or sends a link by e-mail. */

const path = '/password/forgotten';
const address = 'ёлка@почта.example';

describe('without SMTP', () => {
  let server: AuthServer;
  beforeAll(async () => void (server = await openAuthServer()));
  afterAll(() => server.close());

  it('the sign-in page links to a page that says whom to ask, in both languages', async () => {
    const signIn = await new Browser(server.url).open('/sessions');
    expect(signIn.text).toMatch(/<a href="\/password\/forgotten\?lang=ru">Забыли пароль\?<\/a>/);
    const page = await new Browser(server.url).open(path);
    for (const text of ['классному руководителю', 'администратору платформы', 'обслуживает этот сервер']) expect(page.text).toContain(text);
    expect(page.text).not.toContain('<form');
    expect((await new Browser(server.url).open(`${path}?lang=en`)).text).toContain('Ask your class teacher');
    expect((await new Browser(server.url).open(path, { method: 'POST' })).status).toBe(404);
  });
});

describe('with SMTP', () => {
  let server: AuthServer;
  let smtp: Smtp;
  const logged: string[] = [];
  /** The SMTP server awaits `accept` before it accepts a recipient. Tests replace `accept` to delay mails. */
  let accept: () => Promise<void> = () => Promise.resolve();
  beforeAll(async () => {
    const onRcptTo: SMTPServerOptions['onRcptTo'] = (_address, _session, done) => void accept().then(() => done());
    smtp = await startSmtp({ onRcptTo });
    const env = { SMTP_URL: smtp.url, MAIL_FROM: 'Сфера <sfera@school.example>', TRUST_PROXY: 'true' };
    server = await openAuthServer(env, (line) => logged.push(line));
  });
  afterAll(async () => {
    await server.close();
    await smtp.close();
  });
  afterEach(() => {
    smtp.received.length = 0;
    accept = () => Promise.resolve();
  });

  let visitors = 0;
  /** Returns a browser with an address of its own. */
  const browser = () => new Browser(server.url, { 'x-forwarded-for': `198.51.100.${(visitors += 1)}` });

  async function person(data: { email?: string | null; locale?: string; deactivatedAt?: Date } = {}) {
    const created = await server.teacher();
    await server.db.prisma.user.update({ where: { id: created.id }, data: { email: 'pupil@school.example', ...data } });
    return created;
  }

  async function request(signInName: string, visitor = browser()): Promise<Seen> {
    return visitor.submit(await visitor.open(path), { signInName });
  }

  const links = (userId: string) => server.db.prisma.passwordLink.count({ where: { userId } });
  const plain = ({ text }: Seen): string => text.replace(/ value="[^"]*"/g, '');

  /** Resolves when the server has composed and sent the mails of all earlier requests. */
  async function settle(): Promise<void> {
    const last = await person({ email: 'last@school.example' });
    await request(last.signInName);
    await expect.poll(() => smtp.received.map(({ to }) => to[0])).toContain('last@school.example');
    smtp.received.splice(
      smtp.received.findIndex(({ to }) => to[0] === 'last@school.example'),
      1,
    );
  }

  it('sends a link in the language of the person, with no data but the given name, and it works once', async () => {
    const { id, signInName, schoolId } = await person({ locale: 'ru' });
    const { givenName, surname } = await server.db.prisma.user.findUniqueOrThrow({ where: { id } });
    const answer = await request(` ${signInName.toUpperCase()} `);
    expect(answer).toMatchObject({ status: 200, url: expect.stringContaining('?sent') });
    await expect.poll(() => smtp.received).toHaveLength(1);
    const [mail] = smtp.received;
    expect(mail).toMatchObject({ to: ['pupil@school.example'], subject: 'Сфера: ссылка для нового пароля' });
    expect(mail!.text).toContain(`Здравствуйте, ${givenName}!`);
    for (const secret of [surname, signInName, password, 'Школа', '$argon2']) expect(mail!.text).not.toContain(secret);
    const link = new RegExp(`${server.url}/reset/[\\w-]{43}`).exec(mail!.text)![0];
    const visitor = browser();
    const entries = { newPassword: 'новый и длинный 8', repeatedPassword: 'новый и длинный 8' };
    expect((await visitor.submit(await visitor.open(link), entries)).url).toContain('/password/changed');
    expect((await visitor.open(link)).status).toBe(404);
    const events = await server.db.prisma.event.findMany({ where: { schoolId }, orderBy: { seq: 'asc' } });
    expect(events).toMatchObject([
      { type: 'passwordLink.mailed', topics: [`user:${id}`], actor: 'anonymous' },
      { type: 'password.changed' },
    ]);
    expect(logged.join('\n')).not.toMatch(/pupil@|reset\/[\w-]{43}/);
  });

  it('writes English to a person who reads English', async () => {
    const { signInName } = await person({ locale: 'en' });
    await request(signInName);
    await expect.poll(() => smtp.received).toHaveLength(1);
    expect(smtp.received[0]).toMatchObject({ subject: 'Sfera: a link for a new password', text: expect.stringContaining('Hello ') });
  });

  it('answers alike for an unknown name, a person without an address and a deactivated one, and sends nothing', async () => {
    const known = await person();
    const expected = await request(known.signInName);
    await expect.poll(() => smtp.received).toHaveLength(1);
    smtp.received.length = 0;
    const others = [await person({ email: null }), await person({ deactivatedAt: new Date() })];
    for (const name of ['nobody.at.all', 'a\u0000b', 'ё'.repeat(300), '', ...others.map(({ signInName }) => signInName)]) {
      const answer = await request(name);
      expect([answer.status, answer.url, plain(answer)]).toEqual([expected.status, expected.url, plain(expected)]);
    }
    await settle();
    expect(smtp.received).toEqual([]);
    for (const { id } of others) expect(await links(id)).toBe(0);
  });

  it('answers before the mail is sent', async () => {
    let release = () => {};
    accept = () => new Promise((resolve) => (release = resolve));
    const { id, signInName } = await person();
    expect((await request(signInName)).url).toContain('?sent');
    await expect.poll(() => links(id)).toBe(1);
    expect(smtp.received).toEqual([]);
    await expect.poll(() => (release(), smtp.received.length)).toBe(1);
  });

  it('limits requests for a name alike, whether or not it exists', async () => {
    const { signInName } = await person();
    for (const name of [signInName, 'nobody.has.this']) {
      const statuses: number[] = [];
      for (let n = 0; n < 4; n++) statuses.push((await request(name)).status);
      expect(statuses).toEqual([200, 200, 200, 429]);
    }
    await settle();
    expect(smtp.received).toHaveLength(3);
  });

  it('limits requests of an address', async () => {
    const visitor = browser();
    const statuses: number[] = [];
    for (let n = 0; n < 31; n++) statuses.push((await request(`guess${n}`, visitor)).status);
    expect(statuses.filter((status) => status === 429)).toHaveLength(1);
    expect(statuses.at(-1)).toBe(429);
  });

  it('the newest mail works, the former one does not, and a link that was handed over stays valid', async () => {
    const { id, schoolId, signInName } = await person();
    const handedOver = await resetPassword(server.operator, { userId: id, schoolId });
    for (let n = 0; n < 2; n++) {
      await request(signInName);
      await expect.poll(() => smtp.received).toHaveLength(n + 1);
    }
    const mailed = smtp.received.map(({ text }) => /http\S+\/reset\/\S+/.exec(text)![0]);
    const statusOf = async (link: string) => (await browser().open(link)).status;
    expect([await statusOf(mailed[0]!), await statusOf(mailed[1]!), await statusOf(handedOver.link)]).toEqual([404, 200, 200]);
    await resetPassword(server.operator, { userId: id, schoolId });
    expect([await statusOf(mailed[1]!), await statusOf(handedOver.link)]).toEqual([404, 404]);
  });

  it('takes an address with letters outside ASCII', async () => {
    const { signInName } = await person({ email: address });
    await request(signInName);
    await expect.poll(() => smtp.received).toHaveLength(1);
  });
});
