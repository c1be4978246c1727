import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { serviceScopes, type ServiceScope } from '../policy/actor.ts';
import type { OauthClient } from '../db/generated/client.ts';
import { isLoopback } from '../auth/adapter.ts';
import { forbidden, invalid, notFound, type Message } from '../errors.ts';
import { mutate, type Context } from './context.ts';
import { endSessionsOfClient } from './sessions.ts';
import { normalizeLine } from './text.ts';

/** Creates and ends OAuth clients. Only the operator may do so, on the command line. */

export type CreateClientInput =
  | { kind: 'frontend'; name: string; redirectUris: readonly string[] }
  | { kind: 'service'; name: string; schoolId: string; scopes: readonly string[] };

/**
 * Creates a client. Returns the secret of a service: 256 random bits, of which only the hash is stored.
 * @throws INVALID for a redirect address other than https, http on this machine, or an app's own scheme, for a redirect
 *   address that is not normalised (addresses are compared as texts), and for an unknown scope; NOT_FOUND for an unknown
 *   school.
 */
export async function createClient(ctx: Context, input: CreateClientInput): Promise<{ client: OauthClient; secret: string | null }> {
  requireOperator(ctx);
  const name = normalizeLine('name', input.name, 100);
  const id = randomUUID();
  if (input.kind === 'frontend') {
    if (input.redirectUris.length === 0) throw invalid('redirectUris', ['Укажите хотя бы один адрес.', 'Give at least one address.']);
    const redirectUris = input.redirectUris.map(checkRedirectUri);
    refuseMixed(redirectUris);
    const client = await mutate(ctx, (tx) => tx.prisma.oauthClient.create({ data: { id, name, scopes: [], redirectUris } }));
    return { client, secret: null };
  }
  const { schoolId } = input;
  const scopes = input.scopes.map(parseScope);
  if (scopes.length === 0) throw unknownScope();
  const secret = randomBytes(32).toString('base64url');
  const secretHash = new Uint8Array(createHash('sha256').update(secret).digest());
  const client = await mutate(ctx, async (tx) => {
    if ((await tx.prisma.school.count({ where: { id: schoolId } })) === 0) throw notFound('schoolId');
    return tx.prisma.oauthClient.create({ data: { id, name, schoolId, secretHash, scopes, redirectUris: [] } });
  });
  return { client, secret };
}

/** Ends a client, with its tokens and sessions. Does nothing for an ended client. */
export async function endClient(ctx: Context, input: { clientId: string }): Promise<OauthClient> {
  requireOperator(ctx);
  return mutate(ctx, async (tx) => {
    await tx.prisma.oauthClient.updateMany({ where: { id: input.clientId, endedAt: null }, data: { endedAt: new Date() } });
    const client = await tx.prisma.oauthClient.findUnique({ where: { id: input.clientId } });
    if (client === null) throw notFound('clientId');
    await endSessionsOfClient(tx, client.id);
    return client;
  });
}

function requireOperator(ctx: Context): void {
  if (ctx.actor.kind !== 'operator') throw forbidden();
}

const unknownScope = () =>
  invalid('scopes', [`Укажите права из списка: ${serviceScopes.join(', ')}.`, `Give scopes of this list: ${serviceScopes.join(', ')}.`]);

function checkRedirectUri(text: string): string {
  const problem = redirectProblem(text);
  if (problem !== undefined) throw invalid('redirectUris', [`${text || '«»'}: ${problem[0]}`, `${text || '“”'}: ${problem[1]}`]);
  return text;
}

/**
 * Returns what is wrong with a redirect address; undefined for a valid address. The authorization server compares addresses
 * exactly (RFC 9700, 2.1), so an address must be registered as clients send it.
 */
function redirectProblem(text: string): Message | undefined {
  if (!URL.canParse(text))
    return [
      'укажите полный адрес, например https://portal.example/callback.',
      'give a complete address, such as https://portal.example/callback.',
    ];
  const url = new URL(text);
  if (text.includes('#')) return ['адрес не может содержать #.', 'the address must not contain #.'];
  if (text.includes('*')) return ['звёздочки не действуют: перечислите адреса целиком.', 'wildcards do not work: list complete addresses.'];
  if (url.username !== '' || url.password !== '')
    return ['адрес не может содержать имя и пароль.', 'the address must not contain a name or a password.'];
  if (url.protocol === 'http:') {
    if (!isLoopback(url))
      return [
        'по http — только на этом компьютере (127.0.0.1, [::1], localhost); для остального нужен https.',
        'http is for this machine only (127.0.0.1, [::1], localhost); use https elsewhere.',
      ];
  } else if (url.protocol !== 'https:' && !url.protocol.includes('.'))
    // An app's own scheme has a dot, because it is a reversed domain name (RFC 8252, 7.1). This check also refuses
    // javascript:, data: and similar schemes, which have no dot.
    return [
      'собственная схема приложения — обратное имя домена с точкой, например ru.example.app:/callback.',
      'an app’s own scheme is a reversed domain name with a dot, such as ru.example.app:/callback.',
    ];
  if (url.href !== text && url.href !== `${text}/`)
    return [`запишите адрес так, как его пришлёт браузер: ${url.href}`, `write the address as browsers send it: ${url.href}`];
  return undefined;
}

/**
 * Refuses a client that has both an https address on this machine and an app's own scheme: the authorization server does not
 * accept both.
 */
function refuseMixed(redirectUris: readonly string[]): void {
  const urls = redirectUris.map((uri) => new URL(uri));
  if (urls.some((url) => url.protocol === 'https:' && isLoopback(url)) && urls.some(({ protocol }) => !/^https?:$/.test(protocol)))
    throw invalid('redirectUris', [
      'Адрес https://localhost нельзя сочетать с собственной схемой приложения: зарегистрируйте два клиента или возьмите http://localhost.',
      'https://localhost cannot be combined with an app’s own scheme: register two clients, or use http://localhost.',
    ]);
}

function parseScope(text: string): ServiceScope {
  const scope = serviceScopes.find((known) => known === text);
  if (scope === undefined) throw unknownScope();
  return scope;
}
