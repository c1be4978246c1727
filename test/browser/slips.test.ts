import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../src/auth/passwords.ts';
import { password } from '../support/auth-server.ts';
import { isInstalled, launchChromium, titleOf } from '../support/chromium.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

/**
 * Slips are printed personal invitations. A class teacher opens the page with the slips of the class. A pupil joins the
 * class in a browser with the link of a slip. The link works only once.
 */

describe.skipIf(!isInstalled)(titleOf('slips in a browser'), () => {
  let app: Sfera;
  let browser: Browser;
  beforeAll(async () => {
    app = await openSfera();
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser.close();
    await app.close();
  });

  const open = async (url: string): Promise<Page> => {
    const page = await (await browser.newContext({ locale: 'ru-RU' })).newPage();
    await page.goto(url);
    return page;
  };

  const fill = async (page: Page, signInName: string, secret: string) => {
    await page.getByLabel('Логин').fill(signInName);
    await page.getByLabel('Пароль').fill(secret);
    await page.keyboard.press('Enter');
  };

  async function world() {
    const name = 'Государственное бюджетное общеобразовательное учреждение школа № 98 Калининского района';
    const { school, administrator } = await app.build.school({ name });
    const group = await app.build.class({ schoolId: school.id, grade: 5, letter: 'А' });
    const chat = await app.build.chat({ schoolId: school.id, kind: 'CLASS', classId: group.id });
    const teacher = await app.build.teacher({ schoolId: school.id, classTeacherOf: group.id, passwordHash: await hashPassword(password) });
    const pupil = { schoolId: app.id('School', school.id), role: 'STUDENT', classId: app.id('Class', group.id) } as const;
    const by = app.as(administrator);
    for (const surname of ['Ёлкина', 'Абрамов', 'Яковлев']) await by.createUser({ ...pupil, surname, givenName: 'Саша' });
    const sheet = await open(`${app.config.publicUrl}/classes/${group.id}/invitations`);
    await fill(sheet, teacher.signInName!, password);
    await sheet.getByRole('heading', { name: 'Приглашения класса 5А' }).waitFor();
    const linkOf = async (name: string) => (await sheet.locator('.slip', { hasText: name }).locator('.url').textContent())!;
    return { school, group, chat, by, sheet, linkOf };
  }

  it('a pupil joins by the slip, is in the class and its chats, and the slip works once', async () => {
    const { school, group, chat, sheet, linkOf } = await world();
    expect(await sheet.locator('.slip h2').allTextContents()).toEqual(['Абрамов Саша', 'Ёлкина Саша', 'Яковлев Саша']);
    // The page's own script shows this button. If the button is visible, Content-Security-Policy has let the script run.
    expect(await sheet.getByRole('button', { name: 'Печать' }).isVisible()).toBe(true);
    const link = await linkOf('Ёлкина');
    const page = await open(link);
    await page.getByRole('heading', { name: 'Здравствуйте, Саша!' }).waitFor();
    const signInName = `sasha.${school.id.slice(-6)}`;
    await fill(page, signInName, 'длинный и свой');
    await page.getByRole('heading', { name: 'Готово, вы присоединились к школе' }).waitFor();
    await page.goto(`${app.config.publicUrl}/sessions`);
    await fill(page, signInName, 'длинный и свой');
    await page.getByText('Это устройство').waitFor();
    const user = await app.db.prisma.user.findUniqueOrThrow({ where: { signInName } });
    const ids = [app.id('Class', group.id), app.id('Chat', chat.id)];
    const { data } = await app
      .as(user)
      .send('query ($ids: [ID!]!) { viewer { surname enrolment { class { id } } } nodes(ids: $ids) { id } }', { ids });
    expect(data).toEqual({ viewer: { surname: 'Ёлкина', enrolment: { class: { id: ids[0] } } }, nodes: ids.map((id) => ({ id })) });
    await page.goto(link);
    await page.getByText('Такого приглашения нет').waitFor();
    await sheet.reload();
    expect(await sheet.locator('.slip h2').allTextContents()).toEqual(['Абрамов Саша', 'Яковлев Саша']);
    await Promise.all([page.context().close(), sheet.context().close()]);
  });

  it('a new slip stops the old one', async () => {
    const { by, sheet, linkOf } = await world();
    const old = await linkOf('Яковлев');
    const user = await app.db.prisma.user.findFirstOrThrow({ where: { surname: 'Яковлев', joinedAt: null }, orderBy: { id: 'desc' } });
    await by.reissuePersonalInvitation({ userId: app.id('User', user.id) });
    const page = await open(old);
    await page.getByText('Такого приглашения нет').waitFor();
    await sheet.reload();
    await page.goto(await linkOf('Яковлев'));
    await page.getByRole('heading', { name: 'Здравствуйте, Саша!' }).waitFor();
    await Promise.all([page.context().close(), sheet.context().close()]);
  });

  it('printed pages never cut a slip', async () => {
    const { school, group, by, sheet } = await world();
    const pupil = { schoolId: app.id('School', school.id), role: 'STUDENT', classId: app.id('Class', group.id) } as const;
    for (let n = 0; n < 21; n++)
      await by.createUser({
        ...pupil,
        surname: `Константинопольская-Рождественская${n}`,
        givenName: 'Александра',
        patronymic: 'Константиновна',
      });
    await sheet.reload();
    await sheet.emulateMedia({ media: 'print' });
    const rows = await sheet.locator('.row').evaluateAll((all) => all.map((row) => getComputedStyle(row).breakInside));
    expect(rows).toEqual(Array(12).fill('avoid'));
    // A page of A4 without its margins is 190 mm wide and 277 mm high. At 96 dpi, five rows fit on it.
    await sheet.setViewportSize({ width: Math.floor((190 / 25.4) * 96), height: 1000 });
    const heights = await sheet.locator('.row').evaluateAll((all) => all.map((row) => row.getBoundingClientRect().height));
    expect(Math.max(...heights)).toBeLessThan(((277 / 25.4) * 96) / 5);
    await sheet.context().close();
  });

  it('prints ten slips on a page, and each class on pages of its own', async () => {
    const { school, group, by, sheet } = await world();
    const other = await app.build.class({ schoolId: school.id, grade: 9, letter: 'Б' });
    for (const [classId, count] of [
      [group.id, 9],
      [other.id, 10],
    ] as const)
      for (let n = 0; n < count; n++)
        await by.createUser({
          schoolId: app.id('School', school.id),
          role: 'STUDENT',
          classId: app.id('Class', classId),
          surname: `Ученик${'абвгдежзик'[n]}`,
          givenName: 'Пётр',
        });
    await app.build.assignment({ schoolId: school.id, classId: other.id, userId: (await teacherOf(group.id)).userId });
    await sheet.goto(`${app.config.publicUrl}/invitations`);
    expect(await sheet.locator('.sheet h2.of').allTextContents()).toEqual(['5А', '9Б']);
    // The 12 slips of class 5А take two pages, and the 10 slips of class 9Б take one.
    const pdf = (await sheet.pdf({ preferCSSPageSize: true })).toString('latin1');
    expect(pdf.match(/\/Type\s*\/Page\b/g)).toHaveLength(3);
    await sheet.emulateMedia({ media: 'print' });
    expect(await sheet.locator('.sheet h2.of').first().isVisible()).toBe(false);
    await sheet.context().close();
  });

  const teacherOf = (classId: string) => app.db.prisma.assignment.findFirstOrThrow({ where: { classId } });
});
