/** The payload of `connection_init`. */
export type ConnectionParams = Readonly<Record<string, unknown>> | undefined;

/** Names of the token, in small letters: what the documentation of clients advises. */
const tokenNames = new Set(['authorization', 'token', 'authtoken', 'accesstoken', 'access_token']);

/**
 * Returns the token of the parameters, or of the `headers` among them, as a header `Authorization` would hold it. Names may be
 * in any case of letters, and `Bearer` may be left out.
 */
export function authorizationIn(params: ConnectionParams): string | undefined {
  for (const [name, value] of Object.entries(params ?? {}))
    if (tokenNames.has(name.toLowerCase()) && typeof value === 'string') return /^bearer /i.test(value) ? value : `Bearer ${value}`;
  const { headers } = params ?? {};
  return typeof headers === 'object' && headers !== null ? authorizationIn({ ...headers, headers: undefined }) : undefined;
}
