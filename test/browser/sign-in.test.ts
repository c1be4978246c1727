import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openAuthServer, password, type AuthServer } from '../support/auth-server.ts';
import { factMs } from '../support/limits.ts';
import { isInstalled, launchChromium, titleOf } from '../support/chromium.ts';

/**
 * The pages for joining, signing in and managing sessions in a real browser: by keyboard, on a phone, and with the browser
 * enforcing the security headers.
 */

describe.skipIf(!isInstalled)(titleOf('in a browser'), () => {
  let server: AuthServer;
  let browser: Browser;
  /** The server of a frontend. Its origin differs from that of the server under test. */
  let app: Server;
  let callback: string;
  const complaints: string[] = [];
  const elsewhere: string[] = [];
  beforeAll(async () => {
    server = await openAuthServer();
    app = createServer((_req, res) => res.end('the app'));
    await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
    callback = `http://localhost:${(app.address() as AddressInfo).port}/callback`;
    await server.db.prisma.oauthClient.create({ data: { id: 'app', name: 'Школьный портал', scopes: [], redirectUris: [callback] } });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    app.closeAllConnections();
    app.close();
    await server.close();
  });
  afterEach(() => {
    expect(complaints.splice(0)).toEqual([]);
    expect(elsewhere.splice(0)).toEqual([]);
  });

  /** Opens a page that records console errors and requests to other hosts. */
  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({ locale: 'ru-RU', viewport: { width: 320, height: 640 }, ...options });
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => {
      const url = request.url();
      if (/^https?:/.test(url) && !url.startsWith(server.url) && !url.startsWith(new URL(callback).origin)) elsewhere.push(url);
    });
    await page.goto(new URL(path, server.url).href);
    return page;
  }

  async function signIn(page: Page, signInName: string): Promise<void> {
    await page.getByLabel('Логин').fill(signInName);
    await page.getByLabel('Пароль').fill(password);
    await page.keyboard.press('Enter');
  }

  const fits = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);

  it('a person joins by keyboard on a phone, and sees errors at the fields', async () => {
    const { school } = await server.build.school({ name: 'Муниципальное бюджетное общеобразовательное учреждение «Лицей № 1580»' });
    const found = await server.build.class({ schoolId: school.id, grade: 11, letter: 'физмат' });
    const { code } = await server.build.invitation({ schoolId: school.id, role: 'STUDENT', classId: found.id, maxUses: 5 });
    const page = await open(`/join/${code}`, { colorScheme: 'dark' });
    expect(await fits(page)).toBe(true);
    // The page puts the focus on the first field. Tab leads to each next field.
    for (const text of ['Ёлкина', 'Анна', '', `anna.${school.id.slice(-6)}`, 'короткий'.slice(0, 5)]) {
      await page.keyboard.type(text);
      await page.keyboard.press('Tab');
    }
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    expect(await page.getByLabel('Фамилия').inputValue()).toBe('Ёлкина');
    const secret = page.getByLabel('Пароль');
    expect([await secret.inputValue(), await secret.evaluate((field) => field === document.activeElement)]).toEqual(['', true]);
    await page.keyboard.type('длинный и свой');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Готово, вы присоединились к школе' }).waitFor();
    expect(await fits(page)).toBe(true);
    await page.context().close();
  });

  it('a person sees where they are signed in, and ends it', async () => {
    const person = await server.teacher();
    const page = await open('/sessions');
    expect(await fits(page)).toBe(true);
    await signIn(page, person.signInName);
    await page.getByText('Это устройство').waitFor();
    expect(await page.locator('h2').allTextContents()).toEqual(['Chrome, Linux']);
    expect(await fits(page)).toBe(true);
    const other = await open('/sessions', { locale: 'en-GB' });
    await other.getByLabel('Sign-in name').fill(person.signInName);
    await other.getByLabel('Password').fill(password);
    await other.getByRole('button', { name: 'Sign in' }).click();
    await other.getByRole('button', { name: 'End all other sessions' }).click();
    await other.getByText('Done: the session has ended.').waitFor();
    await page.reload();
    await page.getByLabel('Пароль').waitFor();
    await page.context().close();
    await other.context().close();
  });

  const asked = (more: Record<string, string> = {}) => {
    const query = {
      client_id: 'app',
      redirect_uri: callback,
      response_type: 'code',
      scope: 'openid',
      code_challenge: 'a'.repeat(43),
      code_challenge_method: 'S256',
      ...more,
    };
    return `/oidc/auth?${new URLSearchParams(query).toString()}`;
  };

  it('an app of another origin gets its code after the sign-in form', async () => {
    const person = await server.teacher();
    const page = await open(asked());
    await page.getByText('Школьный портал').waitFor();
    await signIn(page, person.signInName);
    await page.waitForURL(`${callback}?code=**`);
    await page.context().close();
  });

  it('another person signs in on a remembered browser, and the sessions of the first one end', async () => {
    const [first, second] = [await server.teacher(), await server.teacher()];
    const page = await open('/sessions');
    await signIn(page, first.signInName);
    await page.getByText('Это устройство').waitFor();
    await page.goto(server.url + asked({ prompt: 'login' }));
    await signIn(page, second.signInName);
    await page.waitForURL(`${callback}?code=**`);
    const left = (userId: string) => server.db.prisma.session.count({ where: { userId, endedAt: null } });
    expect([await left(first.id), await left(second.id)]).toEqual([0, 1]);
    await page.context().close();
  });

  it('the explorer signs in, sends queries with its token, renews it, and signs out', async () => {
    const person = await server.teacher();
    const page = await open('/explorer', { viewport: { width: 1200, height: 800 } });
    await page.getByRole('button', { name: 'Войти' }).click();
    await signIn(page, person.signInName);
    await page.locator('.graphiql-container').first().waitFor({ timeout: factMs });
    await expect.poll(() => server.asked.length).toBeGreaterThan(0);
    const credential = await server.tokens.verifyAccessToken(server.asked[0]!.replace('Bearer ', ''));
    expect(credential).toMatchObject({ userId: person.id, clientId: 'explorer' });
    expect(page.url()).toBe(`${server.url}/explorer`);
    const before = await page.evaluate(() => sessionStorage.getItem('sfera.tokens'));
    await page.evaluate(async () => {
      const tokens = JSON.parse(sessionStorage.getItem('sfera.tokens')!) as object;
      sessionStorage.setItem('sfera.tokens', JSON.stringify({ ...tokens, expiresAt: 0 }));
      await Promise.all([fetch('/graphql', { method: 'POST' }), fetch('/graphql', { method: 'POST' })]);
    });
    expect(await page.evaluate(() => sessionStorage.getItem('sfera.tokens'))).not.toBe(before);
    await page.getByRole('button', { name: 'Выйти' }).click();
    await page.getByRole('button', { name: 'Войти' }).waitFor();
    expect(await server.db.prisma.session.count({ where: { userId: person.id, endedAt: null } })).toBe(0);
    await page.context().close();
  });

  it.each([
    ['ru-RU', 'Войти здесь нельзя'],
    ['en-GB', 'You cannot sign in here'],
  ])('the explorer says in %s what to do at an address without encryption', async (locale, message) => {
    const lan = await openAuthServer({ PUBLIC_URL: 'http://sfera.example' }, undefined, server.db);
    const page = await (await browser.newContext({ locale })).newPage();
    await page.route('http://sfera.example/**', async (route) => {
      const { pathname, search } = new URL(route.request().url());
      await route.fulfill({ response: await route.fetch({ url: `${lan.listening}${pathname}${search}` }) });
    });
    await page.goto('http://sfera.example/explorer');
    await page.getByText(message).waitFor();
    expect(await page.getByRole('alert').textContent()).toMatch(/https:.*http:\/\/localhost/);
    expect(await page.locator('#sign-in').isVisible()).toBe(false);
    await page.context().close();
    await lan.close();
  });
});
