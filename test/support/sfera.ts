import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeGlobalID } from '@pothos/plugin-relay';
import type { Event, User } from '../../src/db/generated/client.ts';
import { importJWK, SignJWT } from 'jose';
import { audienceOf } from '../../src/auth/tokens.ts';
import { readConfig, type Config } from '../../src/config.ts';
import type { ResourceType } from '../../src/domain/entities.ts';
import { createLogger } from '../../src/logger.ts';
import { start, type Running } from '../../src/http/bootstrap.ts';
import { createBuild, type Build } from './build.ts';
import { person, type Person, type SignedIn } from './client.ts';
import { openTestDatabase } from './database.ts';

/** A complete server for a test file, on a new database. */
export interface Sfera extends Running {
  url: string;
  build: Build;
  /** Returns a client that is signed in as this person. */
  as(user: Pick<User, 'id'>): SignedIn;
  /** A client without a token. */
  anonymous: Person;
  /** Registers a service client of the school and returns a client with its token. */
  asService(schoolId: string, scopes?: string[]): Promise<Person>;
  /**
   * Registers a service client of the school with every scope. Returns a client of the API and its token, which uploads
   * need.
   */
  senderOfService(schoolId: string): Promise<{ as: Person; token: string }>;
  token(user: Pick<User, 'id'>, seconds?: number): Promise<{ token: string; sessionId: string }>;
  events(schoolId: string): Promise<Event[]>;
  id(thing: ResourceType, id: string): string;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function testConfig(env: Record<string, string> = {}): Promise<Config> {
  const port = await freePort();
  return readConfig({
    PORT: String(port),
    HOST: '127.0.0.1',
    PUBLIC_URL: `http://localhost:${port}`,
    SECRET_KEY: 'a secret of thirty-two bytes for tests',
    LOG_LEVEL: 'silent',
    DEMO: 'false',
    DATA_DIR: join(tmpdir(), `sfera-test-${randomUUID()}`),
    OPERATIONS_PER_MINUTE: '1000000',
    EXECUTOR: process.env.EXECUTOR,
    ROWS: process.env.ROWS,
    ...env,
  });
}

export async function openSfera(env: Record<string, string> = {}): Promise<Sfera> {
  const config = await testConfig(env);
  const running = await start(config, createLogger(process.env.TEST_LOG ?? 'silent'), await openTestDatabase());
  const url = `http://127.0.0.1:${running.port}/graphql`;
  const { db, tokens } = running;

  const token: Sfera['token'] = async (user, seconds) => {
    const { id: sessionId } = await db.prisma.session.create({
      data: { userId: user.id, clientId: 'tests', expiresAt: new Date(Date.now() + 86_400_000) },
    });
    return { token: await tokens.issueAccessToken({ userId: user.id, sessionId, clientId: 'tests' }, seconds), sessionId };
  };
  // Each person signs in once per test file.
  const known = new Map<string, Promise<Person>>();
  const as = (user: Pick<User, 'id'>): SignedIn => {
    let signedIn = known.get(user.id);
    if (signedIn === undefined) known.set(user.id, (signedIn = token(user).then(({ token: text }) => person(url, text))));
    return deferredPerson(signedIn);
  };

  const build = createBuild(running);
  return {
    ...running,
    async close() {
      await running.close();
      rmSync(config.dataDir, { recursive: true, force: true });
    },
    url,
    as,
    token,
    anonymous: person(url, ''),
    async asService(schoolId, scopes) {
      const client = await build.service({ schoolId, ...(scopes === undefined ? {} : { scopes }) });
      return person(url, await serviceToken(running, client.id, client.scopes));
    },
    async senderOfService(schoolId) {
      const client = await build.service({ schoolId });
      const bearer = await serviceToken(running, client.id, client.scopes);
      return { as: person(url, bearer), token: bearer };
    },
    build,
    events: (schoolId) => db.prisma.event.findMany({ where: { schoolId }, orderBy: { seq: 'asc' } }),
    id: (thing, id) => encodeGlobalID(thing, id),
  };
}

async function serviceToken({ config, keys }: Running, clientId: string, scopes: readonly string[]): Promise<string> {
  const [newest] = keys.jwks;
  return new SignJWT({ client_id: clientId, scope: scopes.join(' ') })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: newest!.kid! })
    .setIssuer(config.publicUrl)
    .setAudience(audienceOf(config))
    .setSubject(clientId)
    .setIssuedAt()
    .setExpirationTime('10m')
    .sign(await importJWK(newest!, 'ES256'));
}

function deferredPerson(signedIn: Promise<Person>): SignedIn {
  return new Proxy({} as SignedIn, {
    get: (_target, name: string) =>
      name === 'then'
        ? undefined
        : (...args: unknown[]) => signedIn.then((who) => (who[name as 'send'] as (...all: unknown[]) => unknown)(...args)),
  });
}
