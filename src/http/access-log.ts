import type { ExecutionArgs } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Credential } from '../auth/tokens.ts';
import type { GraphContext } from '../graphql/context.ts';
import { operationOf } from '../executor/executor.ts';

/**
 * The access log: one line at `info` for every request (src/http/listener.ts) and for every operation on a socket, refused
 * or not (src/http/websocket/operation.ts), written when it ends. Ids only.
 */

/** Fields of a request's line in the access log, filled in while the request is answered. */
export interface Access {
  operation?: string;
  name?: string;
  account?: Credential['kind'] | 'anonymous';
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

/** Notes whom the request counts for; `null` without credentials. */
export function noteAccount(access: Access | undefined, credential: Credential | null): void {
  if (access === undefined) return;
  access.account = credential?.kind ?? 'anonymous';
  if (credential !== null) access.accountId = accountIdOf(credential);
}

/** Returns the id of the person or of the service. */
export const accountIdOf = (credential: Credential): string => (credential.kind === 'user' ? credential.userId : credential.clientId);

type Asking = GraphContext & { requestInfo?: { access?: Access | undefined } };

/** Records the operations of Yoga's pipeline. */
export function useAccessLog(): Plugin<GraphContext> {
  const note = ({ args }: { args: ExecutionArgs }): void => {
    const operation = operationOf(args.document, args.operationName);
    noteOperation((args.contextValue as Asking).requestInfo?.access, operation?.operation ?? 'query', operation?.name?.value);
  };
  return { onExecute: note, onSubscribe: note };
}
