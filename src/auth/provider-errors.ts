import type { EventEmitter } from 'node:events';
import type Provider from 'oidc-provider';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { isTransient } from '../db/availability.ts';
import type { Logger } from '../logger.ts';
import { retryAfterSeconds } from './unavailable.ts';

/** Logs the errors of the authorization server. A client's error takes one line, without tokens, codes or page addresses. */

const endpoints = ['authorization', 'grant', 'introspection', 'revocation', 'end_session', 'end_session_confirm', 'userinfo', 'discovery', 'jwks'] as const;

interface OAuthError extends Error {
  error?: string;
  error_description?: string;
  error_detail?: string;
}

export function logProviderErrors(provider: Provider, log: Logger): void {
  const events = provider as EventEmitter;
  for (const endpoint of endpoints)
    events.on(`${endpoint}.error`, (ctx: KoaContextWithOIDC, err: OAuthError) => {
      const fields = { endpoint, error: err.error ?? err.name, reason: reasonOf(err), clientId: clientOf(ctx), requestId: requestOf(ctx) };
      if (err.error !== 'temporarily_unavailable') return log.warn(fields, 'a client of the authorization server was refused');
      ctx.set('retry-after', String(retryAfterSeconds));
      log.warn({ ...fields, err }, 'unavailable');
    });
  events.on('server_error', (ctx: KoaContextWithOIDC, err: Error) => log.error({ err, requestId: requestOf(ctx) }, 'the authorization server failed'));
  events.on('error', (err: Error) => (isTransient(err) ? log.warn({ err }, 'unavailable') : log.error({ err }, 'the authorization server failed')));
}

/** Returns the library's description without runs of 25 characters and more: they may be codes, tokens or challenges. */
function reasonOf({ error_detail: detail, error_description: description }: OAuthError): string | undefined {
  return (detail ?? description)?.replace(/[^\s'"]{25,}/g, '…').slice(0, 200);
}

/** Returns the client's id; for an unknown client, the id that it sent, if that looks like an id. */
function clientOf(ctx: KoaContextWithOIDC): string | undefined {
  const oidc = ctx.oidc as typeof ctx.oidc | undefined;
  if (oidc?.client !== undefined) return oidc.client.clientId;
  const given: unknown = oidc?.params?.client_id ?? (oidc?.body as { client_id?: unknown } | undefined)?.client_id ?? ctx.query.client_id;
  return typeof given === 'string' && /^[\w-]{1,64}$/.test(given) ? given : undefined;
}

/** src/http/app.ts gives every request an id. */
const requestOf = (ctx: KoaContextWithOIDC): string | undefined => ctx.get('x-request-id') || undefined;
