import type { EventEmitter } from 'node:events';
import type Provider from 'oidc-provider';
import type { KoaContextWithOIDC } from 'oidc-provider';
import { isTransient } from '../db/availability.ts';
import type { Logger } from '../logger.ts';
import { retryAfterSeconds } from './unavailable.ts';

/** Logs the errors of the authorization server. A client error takes one line, without tokens, codes or page addresses. */

const endpoints = [
  'authorization',
  'grant',
  'introspection',
  'revocation',
  'end_session',
  'end_session_confirm',
  'userinfo',
  'discovery',
  'jwks',
] as const;

interface OAuthError extends Error {
  error?: string;
  error_description?: string;
  error_detail?: string;
}

export function logProviderErrors(provider: Provider, log: Logger): void {
  const events = provider as EventEmitter;
  for (const endpoint of endpoints)
    events.on(`${endpoint}.error`, (ctx: KoaContextWithOIDC, err: OAuthError) => {
      const fields = {
        endpoint,
        error: err.error ?? err.name,
        reason: reasonOf(err),
        clientId: clientOf(ctx),
        requestId: requestIdOf(ctx),
      };
      if (err.error !== 'temporarily_unavailable') return log.warn(fields, 'a client of the authorization server was refused');
      ctx.set('retry-after', String(retryAfterSeconds));
      log.warn({ ...fields, err }, 'unavailable');
    });
  events.on('server_error', (ctx: KoaContextWithOIDC, err: Error) =>
    log.error({ err, requestId: requestIdOf(ctx) }, 'the authorization server failed'),
  );
  events.on('error', (err: Error) =>
    isTransient(err) ? log.warn({ err }, 'unavailable') : log.error({ err }, 'the authorization server failed'),
  );
}

/**
 * Returns oidc-provider's description without words of 25 or more characters, which may be codes, tokens or challenges.
 */
function reasonOf({ error_detail: detail, error_description: description }: OAuthError): string | undefined {
  return (detail ?? description)?.replace(/[^\s'"]{25,}/g, '…').slice(0, 200);
}

/** Returns the client's id; for an unknown client, the id in the request, if it has the form of an id. */
function clientOf(ctx: KoaContextWithOIDC): string | undefined {
  const oidc = ctx.oidc as typeof ctx.oidc | undefined;
  if (oidc?.client !== undefined) return oidc.client.clientId;
  const sentId: unknown = oidc?.params?.client_id ?? (oidc?.body as { client_id?: unknown } | undefined)?.client_id ?? ctx.query.client_id;
  return typeof sentId === 'string' && /^[\w-]{1,64}$/.test(sentId) ? sentId : undefined;
}

/** Returns the request id, which src/http/listener.ts assigns. */
const requestIdOf = (ctx: KoaContextWithOIDC): string | undefined => ctx.get('x-request-id') || undefined;
