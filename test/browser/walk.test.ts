import { Client, fetchExchange } from '@urql/core';
import { createClient } from 'graphql-ws';
import * as openid from 'openid-client';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { createClient as registerClient } from '../../src/domain/clients.ts';
import { SchoolsDocument } from '../generated/operations.ts';
import { enrolmentsStream } from '../http/live/streams.ts';
import { person } from '../support/client.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';
import { isInstalled, launchChromium, titleOf } from '../support/chromium.ts';

/**
 * A new user joins in a browser, signs in, queries and subscribes. The test uses what frontends use: openid-client, urql,
 * graphql-ws and server-sent events.
 */

describe.skipIf(!isInstalled)(titleOf('from a link to live news'), () => {
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

  it('a teacher joins in the browser, signs in by code and PKCE, queries with urql and subscribes by graphql-ws and SSE', async () => {
    const home = app.config.publicUrl;
    const { school, administrator } = await app.build.school({ name: 'Гимназия № 7' });
    const made = await app.as(administrator).createInvitation({ schoolId: app.id('School', school.id), role: 'SCHOOL_ADMINISTRATION' });
    if (made.__typename !== 'Invitation' || made.link === null) throw new Error('no link');

    const page = await (await browser.newContext({ locale: 'ru-RU' })).newPage();
    await page.goto(made.link);
    await page.getByText('Гимназия № 7').first().waitFor();
    const values = { Фамилия: 'Ёжикова', Логин: 'ezhikova', Пароль: 'длинный и свой пароль' };
    for (const [label, value] of Object.entries(values)) await page.getByLabel(label, { exact: true }).fill(value);
    await page.getByLabel('Имя', { exact: true }).fill('Алла');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Готово, вы присоединились к школе' }).waitFor();

    const redirectUri = `${home}/nowhere`;
    const { client } = await registerClient(app.operator, { kind: 'frontend', name: 'Портал', redirectUris: [redirectUri] });
    const configuration = await openid.discovery(new URL(home), client.id, undefined, openid.None(), {
      execute: [openid.allowInsecureRequests],
    });
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const expectedState = openid.randomState();
    const address = openid.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri,
      scope: 'openid profile',
      state: expectedState,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    });
    await page.goto(address.href);
    if (!page.url().startsWith(redirectUri)) {
      await page.getByLabel('Логин').fill('ezhikova');
      await page.getByLabel('Пароль').fill(values.Пароль);
      await page.keyboard.press('Enter');
      await page.waitForURL(`${redirectUri}?**`);
    }
    const tokens = await openid.authorizationCodeGrant(configuration, new URL(page.url()), { pkceCodeVerifier, expectedState });
    const authorization = `Bearer ${tokens.access_token}`;

    const urql = new Client({
      url: `${home}/graphql`,
      exchanges: [fetchExchange],
      preferGetMethod: false,
      fetchOptions: { headers: { authorization } },
    });
    const { data, error } = await urql.query(SchoolsDocument, {}).toPromise();
    expect(error).toBeUndefined();
    const [edge] = data!.schools.edges;
    expect(edge!.node).toMatchObject({ id: app.id('School', school.id), name: 'Гимназия № 7' });

    const socket = createClient({
      url: `${home.replace(/^http/, 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization },
    });
    const news = socket.iterate<{ enrolments: { __typename: string; student?: { surname: string } } }>({
      query: enrolmentsStream,
      variables: { schoolId: app.id('School', school.id) },
    });
    expect((await news.next()).value?.data?.enrolments.__typename).toBe('Checkpoint');
    const sse = person(`${home}/graphql`, tokens.access_token).listenSse(enrolmentsStream, { schoolId: app.id('School', school.id) });
    await sse.until(({ items }) => items.length > 0);

    const found = await app.build.class({ schoolId: school.id });
    const pupil = await app.build.user({ schoolId: school.id, role: 'STUDENT', surname: 'Щукин' });
    await app.as(administrator).enrolStudent({ studentId: app.id('User', pupil.id), classId: app.id('Class', found.id) });
    expect((await news.next()).value?.data?.enrolments).toMatchObject({ __typename: 'EnrolmentChange', student: { surname: 'Щукин' } });
    await sse.until((all) => all.news.length === 1);
    expect(sse.news[0]).toMatchObject({ kind: 'ENROLLED', student: { surname: 'Щукин' } });
    sse.close();
    await news.return!();
    await socket.dispose();

    const refreshed = await openid.refreshTokenGrant(configuration, tokens.refresh_token!);
    expect(refreshed.access_token).not.toBe(tokens.access_token);
    await page.context().close();
  });
});
