import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { serviceScopes, type ServiceScope } from '../policy/actor.ts';
import type { OauthClient } from '../db/generated/client.ts';
import { isLoopback } from '../auth/adapter.ts';
import { forbidden, invalid, notFound, type Message } from '../errors.ts';
import { mutate, type Context } from './context.ts';
import { endSessionsOfClient } from './sessions.ts';
import { normalizeLine } from './text.ts';

/** Programs that may ask for tokens. They are the operator's to make and to end, on the command line. */

export type CreateClientInput =
  | { kind: 'frontend'; name: string; redirectUris: readonly string[] }
  | { kind: 'service'; name: string; schoolId: string; scopes: readonly string[] };

/**
 * Makes a client. A service's secret (256 random bits) is in the answer and nowhere else: only its hash is kept.
 * @throws INVALID for a redirect address that is neither https, http on this machine nor an app's own scheme, or that is not
 * written as clients will send it; INVALID for an unknown scope; NOT_FOUND for a school.
 */
export async function createClient(ctx: Context, input: CreateClientInput): Promise<{ client: OauthClient; secret: string | null }> {
  demandOperator(ctx);
  const name = normalizeLine('name', input.name, 100);
  const id = randomUUID();
  if (input.kind === 'frontend') {
    if (input.redirectUris.length === 0) throw invalid('redirectUris', ['Нужен хотя бы один адрес.', 'At least one address is needed.']);
    const redirectUris = input.redirectUris.map(redirectUri);
    refuseMixed(redirectUris);
    const client = await mutate(ctx, (tx) => tx.oauthClient.create({ data: { id, name, scopes: [], redirectUris } }));
    return { client, secret: null };
  }
  const { schoolId } = input;
  const scopes = input.scopes.map(knownScope);
  if (scopes.length === 0) throw wrongScope();
  const secret = randomBytes(32).toString('base64url');
  const secretHash = new Uint8Array(createHash('sha256').update(secret).digest());
  const client = await mutate(ctx, async (tx) => {
    if ((await tx.school.count({ where: { id: schoolId } })) === 0) throw notFound('schoolId');
    return tx.oauthClient.create({ data: { id, name, schoolId, secretHash, scopes, redirectUris: [] } });
  });
  return { client, secret };
}

/** Ends a client: it gets no more tokens, those it has count no more, and its sessions end. Ending it again changes nothing. */
export async function endClient(ctx: Context, input: { clientId: string }): Promise<OauthClient> {
  demandOperator(ctx);
  return mutate(ctx, async (tx) => {
    await tx.oauthClient.updateMany({ where: { id: input.clientId, endedAt: null }, data: { endedAt: new Date() } });
    const client = await tx.oauthClient.findUnique({ where: { id: input.clientId } });
    if (client === null) throw notFound('clientId');
    await endSessionsOfClient(tx, client.id);
    return client;
  });
}

function demandOperator(ctx: Context): void {
  if (ctx.actor.kind !== 'operator') throw forbidden();
}

const wrongScope = () =>
  invalid('scopes', [`Возможные права: ${serviceScopes.join(', ')}.`, `The scopes are ${serviceScopes.join(', ')}.`]);

/** Checks a redirect address. @throws INVALID with what is wrong with it. */
function redirectUri(text: string): string {
  const fault = redirectFault(text);
  if (fault !== undefined) throw invalid('redirectUris', [`${text || '«»'}: ${fault[0]}`, `${text || '“”'}: ${fault[1]}`]);
  return text;
}

/**
 * Returns what is wrong with a redirect address. A client must send it as it is registered, letter for letter (RFC 9700,
 * 2.1).
 */
function redirectFault(text: string): Message | undefined {
  if (!URL.canParse(text)) return ['нужен полный адрес, например https://portal.example/callback.', 'a complete address is needed, such as https://portal.example/callback.'];
  const url = new URL(text);
  if (text.includes('#')) return ['адрес не может содержать #.', 'the address must not contain #.'];
  if (text.includes('*')) return ['звёздочки не действуют: перечислите адреса целиком.', 'wildcards do not work: list complete addresses.'];
  if (url.username !== '' || url.password !== '') return ['адрес не может содержать имя и пароль.', 'the address must not contain a name or a password.'];
  if (url.protocol === 'http:') {
    if (!isLoopback(url)) return ['по http — только на этом компьютере (127.0.0.1, [::1], localhost); для остального нужен https.', 'http is for this machine only (127.0.0.1, [::1], localhost); use https elsewhere.'];
  } else if (url.protocol !== 'https:' && !url.protocol.includes('.'))
    // RFC 8252, 7.1; this also rules out javascript:, data: and the like.
    return ['собственная схема приложения — обратное имя домена с точкой, например ru.example.app:/callback.', 'an app’s own scheme is a reversed domain name with a dot, such as ru.example.app:/callback.'];
  if (url.href !== text && url.href !== `${text}/`) return [`запишите адрес так, как его пришлёт браузер: ${url.href}`, `write the address as browsers send it: ${url.href}`];
  return undefined;
}

/** Refuses https on this machine together with an app's own scheme: the authorization server accepts no client with both. */
function refuseMixed(redirectUris: readonly string[]): void {
  const urls = redirectUris.map((uri) => new URL(uri));
  if (urls.some((url) => url.protocol === 'https:' && isLoopback(url)) && urls.some(({ protocol }) => !/^https?:$/.test(protocol)))
    throw invalid('redirectUris', [
      'Адрес https://localhost нельзя сочетать с собственной схемой приложения: зарегистрируйте два клиента или возьмите http://localhost.',
      'https://localhost cannot be combined with an app’s own scheme: register two clients, or use http://localhost.',
    ]);
}

function knownScope(text: string): ServiceScope {
  const scope = serviceScopes.find((known) => known === text);
  if (scope === undefined) throw wrongScope();
  return scope;
}
