import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { serviceScopes, type ServiceScope } from '../policy/actor.ts';
import type { OauthClient } from '../db/generated/client.ts';
import { forbidden, invalid, notFound } from '../errors.ts';
import { change, type Context } from './context.ts';
import { endSessionsOfClient } from './sessions.ts';
import { line } from './text.ts';

/** Programs that may ask for tokens. They are the operator's to make and to end, on the command line. */

export type CreateClientInput =
  | { kind: 'frontend'; name: string; redirectUris: readonly string[] }
  | { kind: 'service'; name: string; schoolId: string; scopes: readonly string[] };

/**
 * Makes a client. A service's secret (256 random bits) is in the answer and nowhere else: only its hash is kept.
 * @throws INVALID for a redirect address that is not absolute, has a fragment or is neither https, http on this machine
 * nor an app's own scheme; INVALID for an unknown scope; NOT_FOUND for a school.
 */
export async function createClient(ctx: Context, input: CreateClientInput): Promise<{ client: OauthClient; secret: string | null }> {
  demandOperator(ctx);
  const name = line('name', input.name, 100);
  const id = randomUUID();
  if (input.kind === 'frontend') {
    if (input.redirectUris.length === 0) throw wrongRedirect();
    const redirectUris = input.redirectUris.map(redirectUri);
    const client = await change(ctx, (tx) => tx.oauthClient.create({ data: { id, name, scopes: [], redirectUris } }));
    return { client, secret: null };
  }
  const { schoolId } = input;
  const scopes = input.scopes.map(knownScope);
  if (scopes.length === 0) throw wrongScope();
  const secret = randomBytes(32).toString('base64url');
  const secretHash = new Uint8Array(createHash('sha256').update(secret).digest());
  const client = await change(ctx, async (tx) => {
    if ((await tx.school.count({ where: { id: schoolId } })) === 0) throw notFound('schoolId');
    return tx.oauthClient.create({ data: { id, name, schoolId, secretHash, scopes, redirectUris: [] } });
  });
  return { client, secret };
}

/** Ends a client: it gets no more tokens, those it has count no more, and its sessions end. Ending it again changes nothing. */
export async function endClient(ctx: Context, input: { clientId: string }): Promise<OauthClient> {
  demandOperator(ctx);
  return change(ctx, async (tx) => {
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

const wrongRedirect = () =>
  invalid('redirectUris', [
    'Нужен полный адрес без #: https://…, http://localhost… или собственная схема приложения.',
    'A complete address without # is needed: https://…, http://localhost… or an app’s own scheme.',
  ]);

const wrongScope = () =>
  invalid('scopes', [`Возможные права: ${serviceScopes.join(', ')}.`, `The scopes are ${serviceScopes.join(', ')}.`]);

/** An app's own scheme has a dot (RFC 8252, 7.1), which rules out javascript:, data: and the like. */
function redirectUri(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || url.hash !== '' || text.includes('#') || url.username !== '') throw wrongRedirect();
  const onThisMachine = ['localhost', '127.0.0.1', '[::1]'].includes(url.hostname);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && onThisMachine) || url.protocol.includes('.')) return text;
  throw wrongRedirect();
}

function knownScope(text: string): ServiceScope {
  const scope = serviceScopes.find((known) => known === text);
  if (scope === undefined) throw wrongScope();
  return scope;
}
