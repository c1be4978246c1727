import { readFileSync } from 'node:fs';
import { ConfigError } from '../config.ts';
import { closest } from '../suggestions.ts';

/** DATABASE_URL, normalised for node-postgres. */
export interface ConnectionUrl {
  connectionString: string;
  /** The host, or the folder of a Unix socket. Only for messages, like `user` and `database`. */
  host: string;
  user: string | undefined;
  database: string | undefined;
  /** Parameters of the given URL that have no effect, each with what to do instead. */
  withoutEffect: readonly string[];
}

const invalidUrl = (text: string): ConfigError => new ConfigError(`DATABASE_URL ${text}.`);

const urlForm = 'postgres://USER:PASSWORD@HOST:PORT/DATABASE';

/** Parameters passed to node-postgres unchanged. */
const passedParameters = [
  'application_name',
  'fallback_application_name',
  'sslmode',
  'sslcert',
  'sslkey',
  'sslrootcert',
  'sslnegotiation',
  'uselibpqcompat',
];
/** Parameters that this file interprets. */
const interpretedParameters = [
  'user',
  'password',
  'host',
  'port',
  'dbname',
  'options',
  'schema',
  'currentSchema',
  'search_path',
  'ssl',
  'sslaccept',
  'client_encoding',
  'target_session_attrs',
];
/** Parameters that this file refuses, each with what to do instead. */
const refusedParameters: Record<string, string> = {
  hostaddr: 'write the address as the host',
  service: `write ${urlForm}`,
  servicefile: `write ${urlForm}`,
  passfile: 'write the password into the URL',
  requiressl: 'write sslmode=require',
  sslidentity: 'write sslcert and sslkey, files in PEM',
  sslpassword: 'write an sslkey without a password',
  replication: 'leave it out',
};
const ownDeadlines = 'Sfera sets its own';
/** Parameters of libpq, Prisma and poolers that have no effect, each with what to do instead. */
const ineffectiveParameters: Record<string, string | undefined> = {
  connection_limit: 'set DATABASE_POOL',
  pool_timeout: undefined,
  pgbouncer: undefined,
  statement_cache_size: undefined,
  socket_timeout: ownDeadlines,
  connect_timeout: ownDeadlines,
  query_timeout: ownDeadlines,
  statement_timeout: ownDeadlines,
  lock_timeout: ownDeadlines,
  idle_in_transaction_session_timeout: ownDeadlines,
  max_connection_lifetime: undefined,
  max_idle_connection_lifetime: undefined,
  single_use_connections: undefined,
  keepalives: undefined,
  keepalives_idle: undefined,
  keepalives_interval: undefined,
  keepalives_count: undefined,
  tcp_user_timeout: undefined,
  gssencmode: undefined,
  krbsrvname: undefined,
  gsslib: undefined,
  gssdelegation: undefined,
  channel_binding: undefined,
  load_balance_hosts: undefined,
  sslcompression: undefined,
  sslsni: undefined,
  sslcrl: undefined,
  sslcrldir: undefined,
  sslcertmode: undefined,
  ssl_min_protocol_version: undefined,
  ssl_max_protocol_version: undefined,
  min_protocol_version: undefined,
  max_protocol_version: undefined,
  require_auth: undefined,
};
const knownParameters = [
  ...passedParameters,
  ...interpretedParameters,
  ...Object.keys(refusedParameters),
  ...Object.keys(ineffectiveParameters),
];

/**
 * Parses the URL of a PostgreSQL server. Keeps percent signs that escape nothing.
 * @param settings session options. They come last, so they override the session options of the URL.
 * @throws ConfigError with one line that says what to write instead, and never contains the password.
 */
export function parseConnectionUrl(text: string, settings = ''): ConnectionUrl {
  const { authority, path, params } = split(text);
  checkParameters(params);
  const at = authority.lastIndexOf('@');
  const credentials = at < 0 ? '' : authority.slice(0, at);
  const colon = credentials.indexOf(':');
  const user = params.get('user') || decode(colon < 0 ? credentials : credentials.slice(0, colon)) || undefined;
  const password = params.get('password') || (colon < 0 ? '' : decode(credentials.slice(colon + 1)));
  const { host, port } = hostAndPort(authority.slice(at + 1), params);
  const database = decode(path) || params.get('dbname') || undefined;
  // pg-connection-string does not decode %3F and %23 in the path, so it would connect to a database with another name.
  if (database !== undefined && /[?#]/.test(database))
    throw invalidUrl('names a database with a ? or # in its name: use a database with another name');

  const search = new URLSearchParams();
  if (host.startsWith('/')) search.set('host', host);
  for (const [name, value] of tlsParameters(params)) search.set(name, value);
  for (const name of ['application_name', 'fallback_application_name']) if (params.has(name)) search.set(name, params.get(name)!);
  search.set('options', [params.get('options') ?? '', settings].join(' ').trim());
  // Writes a space as %20, since libpq and this function do not read `+` as a space.
  const query = search.toString().replaceAll('+', '%20');
  const passwordPart = password === '' ? '' : `:${encodeURIComponent(password)}`;
  const hostPart = host.startsWith('/') || host === '' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  const connectionString = `postgres://${encodeURIComponent(user ?? '')}${passwordPart}${user === undefined && passwordPart === '' ? '' : '@'}${hostPart}${port === '' ? '' : `:${port}`}/${encodeURI(database ?? '')}?${query}`;
  if (!URL.canParse(connectionString)) throw invalidUrl(`has an invalid host: write ${urlForm}`);
  return { connectionString, host: host || 'localhost', user, database, withoutEffect: describeIneffective(params) };
}

function split(text: string): { authority: string; path: string; params: URLSearchParams } {
  const match = /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?(#.*)?$/is.exec(text);
  if (match === null) throw invalidUrl(`must be a URL of the form ${urlForm}, without quotes around it`);
  const [, authority = '', path = '', query = '', fragment] = match;
  // As in libpq, a plus is not a space.
  const params = new URLSearchParams(query.replaceAll('+', '%2B'));
  // An unescaped /, ? or # in the password ends the authority too early. The last @ is then in the path or the query,
  // and a part of the password looks like a parameter.
  const isCut = path.includes('@') || (query.includes('@') && [...params.keys()].some((name) => !knownParameters.includes(name)));
  if (fragment !== undefined || isCut)
    throw invalidUrl(
      'has a /, ? or # in its password or another part: write %2F for /, %3F for ?, %23 for #, and %40 for an @ after the host',
    );
  return { authority, path, params };
}

/** Decodes percent escapes, and keeps invalid ones unchanged. */
function decode(text: string): string {
  return text.replace(/(?:%[0-9a-f]{2})+/gi, (escapes) => {
    try {
      return decodeURIComponent(escapes);
    } catch {
      return escapes;
    }
  });
}

function hostAndPort(authority: string, params: URLSearchParams): { host: string; port: string } {
  const address = params.get('host') || decode(authority);
  if (address.includes(',')) {
    const hosts = address.split(',').map((host) => host.replace(/:\d*$/, ''));
    // DATABASE_URL without an @ may have the user and the password here, so the message must not quote them.
    const quoted = hosts.some((host) => host.includes(':') && !host.startsWith('[')) ? '' : ` (${hosts.join(', ')})`;
    throw invalidUrl(`names several hosts${quoted}: name one, the primary or an address that always leads to it`);
  }
  if (address.startsWith('/'))
    return { host: address.replace(/:\d+$/, ''), port: checkPort(params.get('port') || (/:(\d+)$/.exec(address)?.[1] ?? '')) };
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/s.exec(address);
  if (bracketed === null && address.split(':').length > 2) throw invalidUrl('has an IPv6 address without brackets: write [ADDRESS]:PORT');
  const [host = '', port = ''] = bracketed?.slice(1) ?? address.split(':');
  return { host, port: checkPort(params.get('port') || port) };
}

function checkPort(text: string): string {
  if (text !== '' && !(/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535))
    throw invalidUrl('has a port that is not a number from 1 to 65535 (a : in the user or a @ in the password is written %3A or %40)');
  return text;
}

function checkParameters(params: URLSearchParams): void {
  for (const name of new Set(params.keys())) {
    if (!knownParameters.includes(name)) throw invalidUrl(`has the unknown parameter ${name.slice(0, 50)}: ${suggestion(name)}`);
    if (Object.hasOwn(refusedParameters, name))
      throw invalidUrl(`has the parameter ${name}, which is not supported: ${refusedParameters[name]}`);
    if (params.getAll(name).length > 1) throw invalidUrl(`has the parameter ${name} more than once`);
  }
  for (const name of ['schema', 'currentSchema', 'search_path']) {
    const schema = params.get(name);
    if (schema !== null && schema !== 'public')
      throw invalidUrl(
        `has ${name}=${schema.slice(0, 63)}, but the tables are in the schema public: leave it out, and use a database of its own for Sfera`,
      );
  }
  const encoding = params.get('client_encoding');
  if (encoding !== null && !/^utf-?8$|^auto$/i.test(encoding)) throw invalidUrl('has a client_encoding other than UTF8: leave it out');
  const target = params.get('target_session_attrs');
  if (target !== null && !['any', 'read-write', 'primary'].includes(target))
    throw invalidUrl(`has target_session_attrs=${target.slice(0, 30)}, but Sfera writes: name the primary, and leave the parameter out`);
}

function suggestion(name: string): string {
  const similar = closest(name, knownParameters);
  return similar === undefined ? 'leave it out' : `did you mean ${similar}`;
}

const sslModes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/**
 * Returns the TLS parameters. `prefer`, `require` and `verify-ca` check the certificate and the host, as in
 * node-postgres 8. With `uselibpqcompat=true` they have libpq's meaning.
 */
function tlsParameters(params: URLSearchParams): [name: string, value: string][] {
  const out = new Map(
    passedParameters.flatMap((name) => (name.startsWith('ssl') && params.has(name) ? [[name, params.get(name)!] as const] : [])),
  );
  const asLibpq = params.get('uselibpqcompat') === 'true';
  const ssl = params.get('ssl');
  if (ssl !== null && !['true', '1', 'false', '0', 'no-verify'].includes(ssl))
    throw invalidUrl('has an ssl that is not true, false or no-verify');
  const sslAccept = params.get('sslaccept');
  if (sslAccept !== null && sslAccept !== 'strict' && sslAccept !== 'accept_invalid_certs')
    throw invalidUrl('has an sslaccept that is not strict or accept_invalid_certs');
  const modeOfSsl =
    ssl === null ? undefined : ssl === 'no-verify' ? 'no-verify' : ssl === 'true' || ssl === '1' ? 'verify-full' : 'disable';
  let mode = params.get('sslmode') ?? modeOfSsl ?? (sslAccept === null ? undefined : 'verify-full');
  if (mode !== undefined && !sslModes.includes(mode)) throw invalidUrl(`has an sslmode that is not one of ${sslModes.join(', ')}`);
  if (sslAccept === 'accept_invalid_certs' && mode !== 'disable') mode = 'no-verify';
  if (out.get('sslrootcert') === 'system') {
    out.delete('sslrootcert');
    mode ??= 'verify-full';
  }
  for (const name of ['sslrootcert', 'sslcert', 'sslkey']) checkReadable(name, out.get(name));
  // Only libpq's verify-ca skips the check of the host's name. verify-ca needs the certificate of the authority.
  const onlyAuthority = mode === 'verify-ca' && out.has('sslrootcert');
  if (asLibpq && mode === 'verify-ca' && !onlyAuthority)
    throw invalidUrl('has sslmode=verify-ca without sslrootcert: name the file of the authority’s certificate');
  if (asLibpq || onlyAuthority) out.set('uselibpqcompat', 'true');
  else if (mode === 'prefer' || mode === 'require' || mode === 'verify-ca') mode = 'verify-full';
  if (mode !== undefined) out.set('sslmode', mode);
  return [...out];
}

function checkReadable(name: string, file: string | undefined): void {
  if (file === undefined) return;
  try {
    readFileSync(file);
  } catch (error) {
    throw invalidUrl(`names a file in ${name} that cannot be read (${(error as NodeJS.ErrnoException).code}): ${file}`);
  }
}

function describeIneffective(params: URLSearchParams): string[] {
  return [...new Set(params.keys())]
    .filter((name) => Object.hasOwn(ineffectiveParameters, name))
    .map((name) => {
      const instead = ineffectiveParameters[name];
      return instead === undefined ? name : `${name} (${instead})`;
    });
}
