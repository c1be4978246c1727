import type { IncomingMessage, ServerResponse } from 'node:http';
import type Provider from 'oidc-provider';
import type { Actor } from '../../policy/actor.ts';
import type { Config } from '../../config.ts';
import type { Database } from '../../db/client.ts';
import type { Context } from '../../domain/context.ts';
import type { Language } from '../../errors.ts';
import type { FormGuard } from './forms.ts';

export interface PageParts {
  config: Config;
  db: Database;
  provider: Provider;
  forms: FormGuard;
  /** Returns the context of an operation that a page runs for the request and the actor. */
  contextFor(req: IncomingMessage, actor: Actor): Context;
}

/** One request for a page. `url` holds the path and the query. */
export interface Visit {
  req: IncomingMessage;
  res: ServerResponse;
  url: URL;
  language: Language;
}

export const anonymous: Actor = { kind: 'anonymous' };

/** Returns the path and query. A form that posts to its own page and the link to the other language use them. */
export const pathOf = ({ url }: Visit): string => `${url.pathname}${url.search}`;

export function redirect({ res }: Visit, location: string): void {
  res.writeHead(303, { location, 'cache-control': 'no-store', 'referrer-policy': 'no-referrer' }).end();
}
