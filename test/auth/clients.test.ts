import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient, endClient } from '../../src/domain/clients.ts';
import { contextFor } from '../../src/server/requests.ts';
import { openAuthServer, type AuthServer } from '../support/auth-server.ts';

let server: AuthServer;
beforeAll(async () => void (server = await openAuthServer()));
afterAll(() => server.close());

const frontend = (...redirectUris: string[]) => createClient(server.operator, { kind: 'frontend', name: 'Портал', redirectUris });

describe('createClient', () => {
  it.each(['https://portal.example/callback', 'http://localhost:3000/cb', 'http://127.0.0.1/cb', 'example.school.app:/callback'])('takes %s', async (uri) => {
    expect(await frontend(uri)).toMatchObject({ client: { redirectUris: [uri], secretHash: null }, secret: null });
  });

  it.each(['', '/callback', 'http://portal.example/', 'javascript:alert(1)', 'data:text/html,x', 'https://portal.example/#part', 'https://name@portal.example/'])('refuses %s', async (uri) => {
    const before = await server.db.prisma.oauthClient.count();
    await expect(frontend(uri)).rejects.toMatchObject({ code: 'INVALID' });
    await expect(frontend()).rejects.toMatchObject({ code: 'INVALID' });
    expect(await server.db.prisma.oauthClient.count()).toBe(before);
  });

  it('keeps only the hash of a service’s secret, and knows its scopes and school', async () => {
    const { school } = await server.build.school();
    const service = { kind: 'service', name: 'Моя школа', schoolId: school.id } as const;
    const { client, secret } = await createClient(server.operator, { ...service, scopes: ['read'] });
    expect(Buffer.from(secret!, 'base64url')).toHaveLength(32);
    const { rows } = await server.db.pool.query<{ row: string }>('select oauth_client::text as row from oauth_client where id = $1', [client.id]);
    expect(rows[0]!.row).not.toContain(secret);
    for (const scopes of [[], ['read', 'all']]) await expect(createClient(server.operator, { ...service, scopes })).rejects.toMatchObject({ code: 'INVALID' });
    const nowhere = createClient(server.operator, { ...service, scopes: ['read'], schoolId: '00000000-0000-7000-8000-000000000000' });
    await expect(nowhere).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is the operator’s alone, and so is endClient', async () => {
    const nobody = contextFor(server, { kind: 'anonymous' }, { acceptLanguage: null, requestId: null, address: null });
    await expect(createClient(nobody, { kind: 'frontend', name: 'x', redirectUris: ['https://a.example/'] })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const { client } = await frontend('https://a.example/');
    await expect(endClient(nobody, { clientId: client.id })).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});

describe('endClient', () => {
  it('ends the client with its sessions', async () => {
    const { client } = await frontend('https://a.example/');
    const person = await server.teacher();
    const expiresAt = new Date(Date.now() + 60_000);
    await server.db.prisma.session.createMany({ data: [client.id, 'other'].map((clientId) => ({ userId: person.id, clientId, expiresAt })) });
    await endClient(server.operator, { clientId: client.id });
    await endClient(server.operator, { clientId: client.id });
    const left = await server.db.prisma.session.findMany({ where: { userId: person.id, endedAt: null } });
    expect(left.map(({ clientId }) => clientId)).toEqual(['other']);
    expect(await server.db.prisma.event.count({ where: { schoolId: person.schoolId, type: 'session.ended' } })).toBe(1);
    await expect(endClient(server.operator, { clientId: 'none' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
