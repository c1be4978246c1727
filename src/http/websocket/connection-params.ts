export type ConnectionParams = Readonly<Record<string, unknown>> | undefined;

/** Names of the token parameter in lower case, as the documentation of GraphQL clients recommends them. */
const tokenNames = new Set(['authorization', 'token', 'authtoken', 'accesstoken', 'access_token']);

/**
 * Returns the token in the parameters, or in their `headers`, in the form of an `Authorization` header. Ignores the
 * case of names. Adds `Bearer` if it is missing.
 */
export function authorizationIn(params: ConnectionParams): string | undefined {
  for (const [name, value] of Object.entries(params ?? {}))
    if (tokenNames.has(name.toLowerCase()) && typeof value === 'string') return /^bearer /i.test(value) ? value : `Bearer ${value}`;
  const { headers } = params ?? {};
  return typeof headers === 'object' && headers !== null ? authorizationIn({ ...headers, headers: undefined }) : undefined;
}
