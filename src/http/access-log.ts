import type { DocumentNode } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Actor } from '../policy/actor.ts';
import type { GraphContext } from '../graphql/context.ts';
import type { Logger } from '../logger.ts';
import { operationOf } from '../executor/executor.ts';

/** The access log: one line at `info` for every request and for every operation on a socket, written when it ends. Ids only. */

/** Fields of a request's line in the access log, filled in while the request is answered. */
export interface Access {
  operation?: string;
  name?: string;
  account?: Actor['kind'];
  accountId?: string;
}

/** Path patterns for the log, so that codes and ids stay out of it. An unknown path is logged as `/…`. */
const patterns: readonly (readonly [RegExp, string])[] = [
  [/^\/(?:graphql|health\/(?:live|ready)|metrics|joined|explorer|sessions(?:\/(?:signed-in|end|end-others))?)?$/, '$&'],
  [/^\/\.well-known\/(?:openid-configuration|oauth-authorization-server)$/, '$&'],
  [/^\/oidc\/(?:auth|token|jwks|revocation|introspection|token\/revocation|token\/introspection|session\/end(?:\/confirm|\/success)?)$/, '$&'],
  [/^\/(join|sign-in)\/.*$/, '/$1/…'],
  [/^\/oidc\/auth\/.*$/, '/oidc/auth/…'],
  [/^\/assets\/.*$/, '/assets/…'],
  [/^.*$/s, '/…'],
];

export function patternOf(url: string): string {
  const end = url.search(/[?#]/);
  const path = end === -1 ? url : url.slice(0, end);
  const [expression, shown] = patterns.find(([known]) => known.test(path))!;
  return path.replace(expression, shown);
}

/** Records an operation's type and name. Omits a name that may hold more than a name. */
export function noteOperation(access: Access | undefined, operation: string, name: string | undefined): void {
  if (access === undefined) return;
  access.operation = operation;
  if (name !== undefined && /^\w{1,60}$/.test(name)) access.name = name;
}

export function noteActor(access: Access | undefined, actor: Actor): void {
  if (access === undefined) return;
  access.account = actor.kind;
  if (actor.kind === 'user') access.accountId = actor.userId;
  if (actor.kind === 'service') access.accountId = actor.clientId;
}

type Asking = GraphContext & { requestInfo?: { access?: Access | undefined } };

/**
 * Records the operations of Yoga's pipeline, and writes a line for each operation on a socket, which has no request of its
 * own.
 */
export function useAccessLog(log: Logger): Plugin<GraphContext> {
  const begin = (context: Asking, document: DocumentNode, operationName: string | null | undefined) => {
    const operation = operationOf(document, operationName);
    const { access } = context.requestInfo ?? {};
    const own: Access = {};
    noteOperation(access ?? own, operation?.operation ?? 'query', operation?.name?.value);
    if (access !== undefined) return undefined;
    noteActor(own, context.actor);
    const begun = performance.now();
    return (failed: boolean): void =>
      log.info({ requestId: context.requestId, path: '/graphql', ms: Math.round(performance.now() - begun), ...own, ...(failed && { failed }) }, 'operation');
  };
  return {
    onExecute({ args }) {
      const end = begin(args.contextValue, args.document, args.operationName);
      return end && { onExecuteDone: ({ result }) => end('errors' in result && result.errors !== undefined) };
    },
    onSubscribe({ args }) {
      const end = begin(args.contextValue, args.document, args.operationName);
      return end && {
        onSubscribeResult({ result }) {
          if (Symbol.asyncIterator in result) return { onEnd: () => end(false) };
          end(true);
        },
        onSubscribeError: () => end(true),
      };
    },
  };
}
