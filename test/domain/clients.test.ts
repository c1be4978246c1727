import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, endClient } from '../../src/domain/clients.ts';
import type { Refusal } from '../../src/errors.ts';
import { contextFor } from '../../src/http/request-context.ts';
import { openAuthServer, type AuthServer } from '../support/auth-server.ts';

let server: AuthServer;
beforeAll(async () => void (server = await openAuthServer()));
afterAll(() => server.close());

const frontend = (...redirectUris: string[]) => createClient(server.operator, { kind: 'frontend', name: 'Портал', redirectUris });

describe('createClient', () => {
  it.each([
    'https://portal.example/callback',
    'https://portal.example',
    'https://portal.example:8443/cb?from=sfera',
    'https://localhost:3000/cb',
    'http://localhost:3000/cb',
    'http://127.0.0.1/cb',
    'http://[::1]/cb',
    'example.school.app:/callback',
    'example.school.app://callback',
  ])('takes %s', async (uri) => {
    expect(await frontend(uri)).toMatchObject({ client: { redirectUris: [uri], secretHash: null }, secret: null });
  });

  it.each([
    ['', 'a complete address'],
    ['/callback', 'a complete address'],
    ['portal.example', 'a complete address'],
    ['http://portal.example/', 'http is for this machine only'],
    ['http://127.0.0.2/', 'http is for this machine only'],
    ['http://localhost.portal.example/', 'http is for this machine only'],
    ['javascript:alert(1)', 'with a dot'],
    ['JavaScript:alert(1)', 'with a dot'],
    ['data:text/html,x', 'with a dot'],
    ['file:///etc/passwd', 'with a dot'],
    ['blob:https://portal.example/x', 'with a dot'],
    ['myapp:/callback', 'with a dot'],
    ['ws://portal.example/', 'with a dot'],
    ['https://portal.example/#part', 'must not contain #'],
    ['https://portal.example/#', 'must not contain #'],
    ['https://name@portal.example/', 'a name or a password'],
    ['https://:word@portal.example/', 'a name or a password'],
    ['http://x@localhost/', 'a name or a password'],
    ['https://*.portal.example/', 'wildcards'],
    ['https://portal.example/*', 'wildcards'],
    ['https://Portal.example/cb', 'https://portal.example/cb'],
    ['HTTPS://portal.example/cb', 'https://portal.example/cb'],
    ['https://portal.example:443/cb', 'https://portal.example/cb'],
    ['https://portal.example/a/../cb', 'https://portal.example/cb'],
    ['https://portal.example\\cb', 'https://portal.example/cb'],
    ['https://portal.example/\ncb', 'https://portal.example/cb'],
    ['https://школа.example/cb', 'https://xn--80atdl2c.example/cb'],
    ['http://127.1/cb', 'http://127.0.0.1/cb'],
    ['Ru.Example.App:/cb', 'ru.example.app:/cb'],
  ])('refuses %s and says why', async (uri, reason) => {
    const before = await server.db.prisma.oauthClient.count();
    const refusal = await frontend('https://portal.example/', uri).catch((error: Refusal) => error);
    expect(refusal).toMatchObject({ code: 'INVALID', at: ['redirectUris'] });
    expect((refusal as Refusal).say('en')).toContain(reason);
    expect((refusal as Refusal).say('ru')).toMatch(/[а-я]/);
    expect(await server.db.prisma.oauthClient.count()).toBe(before);
  });

  it('refuses a client without a redirect URI, and redirect URIs of two kinds in one client', async () => {
    await expect(frontend()).rejects.toMatchObject({ code: 'INVALID' });
    await expect(frontend('https://localhost:3000/cb', 'ru.example.app:/cb')).rejects.toMatchObject({
      code: 'INVALID',
      at: ['redirectUris'],
    });
  });

  it('keeps only the hash of a service’s secret, and knows its scopes and school', async () => {
    const { school } = await server.build.school();
    const service = { kind: 'service', name: 'Моя школа', schoolId: school.id } as const;
    const { client, secret } = await createClient(server.operator, { ...service, scopes: ['read'] });
    expect(Buffer.from(secret!, 'base64url')).toHaveLength(32);
    const { rows } = await server.db.pool.query<{ row: string }>('select oauth_client::text as row from oauth_client where id = $1', [
      client.id,
    ]);
    expect(rows[0]!.row).not.toContain(secret);
    for (const scopes of [[], ['read', 'all']])
      await expect(createClient(server.operator, { ...service, scopes })).rejects.toMatchObject({ code: 'INVALID' });
    const nowhere = createClient(server.operator, { ...service, scopes: ['read'], schoolId: '00000000-0000-7000-8000-000000000000' });
    await expect(nowhere).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is allowed only for the operator, and so is endClient', async () => {
    const nobody = contextFor(server, { kind: 'anonymous' }, { acceptLanguage: null, requestId: null, address: null });
    await expect(createClient(nobody, { kind: 'frontend', name: 'x', redirectUris: ['https://a.example/'] })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    const { client } = await frontend('https://a.example/');
    await expect(endClient(nobody, { clientId: client.id })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('endClient', () => {
  it('ends the client with its sessions', async () => {
    const { client } = await frontend('https://a.example/');
    const person = await server.teacher();
    const expiresAt = new Date(Date.now() + 60_000);
    await server.db.prisma.session.createMany({
      data: [client.id, 'other'].map((clientId) => ({ userId: person.id, clientId, expiresAt })),
    });
    await endClient(server.operator, { clientId: client.id });
    await endClient(server.operator, { clientId: client.id });
    const left = await server.db.prisma.session.findMany({ where: { userId: person.id, endedAt: null } });
    expect(left.map(({ clientId }) => clientId)).toEqual(['other']);
    expect(await server.db.prisma.event.count({ where: { schoolId: person.schoolId, type: 'session.ended' } })).toBe(1);
    await expect(endClient(server.operator, { clientId: 'none' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
