import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openAuthServer, password, type AuthServer } from '../support/auth-server.ts';
import { isInstalled, launchChromium, titleOf } from '../support/chromium.ts';
import { startSmtp, type Smtp } from '../support/smtp.ts';

/** A forgotten password in a real browser, by keyboard and on a phone. */

describe.skipIf(!isInstalled)(titleOf('in a browser'), () => {
  let server: AuthServer;
  let smtp: Smtp;
  let browser: Browser;
  const complaints: string[] = [];
  beforeAll(async () => {
    smtp = await startSmtp();
    server = await openAuthServer({ SMTP_URL: smtp.url, MAIL_FROM: 'Сфера <sfera@school.example>' });
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await server.close();
    await smtp.close();
  });
  afterEach(() => expect(complaints.splice(0)).toEqual([]));

  async function open(path: string, options: BrowserContextOptions = {}): Promise<Page> {
    const context = await browser.newContext({ locale: 'ru-RU', viewport: { width: 360, height: 740 }, ...options });
    const page = await context.newPage();
    page.on('console', (message) => {
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) complaints.push(message.text());
    });
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(new URL(path, server.url).href);
    return page;
  }

  const fits = (page: Page) => page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth);

  /** Types each text into a field, moves to the next field with Tab, and sends the form with Enter. */
  async function type(page: Page, ...texts: string[]): Promise<void> {
    for (const [n, text] of texts.entries()) {
      if (n > 0) await page.keyboard.press('Tab');
      await page.keyboard.type(text);
    }
    await page.keyboard.press('Enter');
  }

  it('a person gets a link by mail, sets a password, signs in with it and changes it', async () => {
    const { id, signInName } = await server.teacher();
    await server.db.prisma.user.update({ where: { id }, data: { email: 'teacher@school.example' } });
    const page = await open('/sessions', { colorScheme: 'dark' });
    await page.getByRole('link', { name: 'Забыли пароль?' }).press('Enter');
    expect(await fits(page)).toBe(true);
    await page.getByLabel('Логин').focus();
    await type(page, signInName);
    await page.getByRole('status').getByText('Если такой логин есть').waitFor();
    await expect.poll(() => smtp.received).toHaveLength(1);
    await page.goto(/http\S+\/reset\/\S+/.exec(smtp.received[0]!.text)![0]);
    expect(await fits(page)).toBe(true);
    // Needs no click, because the page puts the focus on the first field.
    await type(page, 'короток', 'короток');
    await page.getByRole('alert').waitFor();
    await type(page, 'длинный и свой', 'длинный и свой');
    await page.getByRole('heading', { name: 'Пароль изменён' }).waitFor();
    await page.getByRole('link', { name: 'Мои входы' }).press('Enter');
    await page.getByLabel('Логин').waitFor();
    await type(page, signInName, 'длинный и свой');
    await page.getByText('Это устройство').waitFor();
    await page.getByRole('link', { name: 'Сменить пароль' }).press('Enter');
    await page.getByLabel('Нынешний пароль').waitFor();
    expect(await fits(page)).toBe(true);
    await type(page, 'длинный и свой', password, password);
    await page.getByRole('heading', { name: 'Пароль изменён' }).waitFor();
    await page.goto(new URL('/sessions', server.url).href);
    await page.getByText('Это устройство').waitFor();
    await page.context().close();
  });
});
