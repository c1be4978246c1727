import { readFileSync } from 'node:fs';
import { ConfigError } from '../config.ts';
import { closest } from '../suggestions.ts';

/** DATABASE_URL, normalised for node-postgres. */
export interface ConnectionUrl {
  connectionString: string;
  /** The host or the folder of a Unix socket, for messages; so are `user` and `database`. */
  host: string;
  user: string | undefined;
  database: string | undefined;
  /** Parameters that are known and have no effect here, each with what to do instead. */
  withoutEffect: readonly string[];
}

const wrong = (text: string): ConfigError => new ConfigError(`DATABASE_URL ${text}.`);

const form = 'postgres://USER:PASSWORD@HOST:PORT/DATABASE';

/** Parameters passed to node-postgres unchanged. */
const passed = ['application_name', 'fallback_application_name', 'sslmode', 'sslcert', 'sslkey', 'sslrootcert', 'sslnegotiation', 'uselibpqcompat'];
/** Parameters that this file interprets. */
const read = ['user', 'password', 'host', 'port', 'dbname', 'options', 'schema', 'currentSchema', 'search_path', 'ssl', 'sslaccept', 'client_encoding', 'target_session_attrs'];
const refused: Record<string, string> = {
  hostaddr: 'write the address as the host',
  service: `write ${form}`,
  servicefile: `write ${form}`,
  passfile: 'write the password into the URL',
  requiressl: 'write sslmode=require',
  sslidentity: 'write sslcert and sslkey, files in PEM',
  sslpassword: 'write an sslkey without a password',
  replication: 'leave it out',
};
const ownDeadlines = 'Sfera sets its own';
/** Parameters of libpq, Prisma and poolers that have no effect, each with what to do instead. */
const withoutEffect: Record<string, string | undefined> = {
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
const known = [...passed, ...read, ...Object.keys(refused), ...Object.keys(withoutEffect)];

/**
 * Parses the URL of a PostgreSQL server. Keeps percent signs that escape nothing.
 * @param settings session options; they come last, so they override the URL's own.
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
  const { host, port } = address(authority.slice(at + 1), params);
  const database = decode(path) || params.get('dbname') || undefined;
  // pg-connection-string cannot be given such a name: it leaves %3F and %23 in the path as they are.
  if (database !== undefined && /[?#]/.test(database)) throw wrong('names a database with a ? or # in its name: use a database with another name');

  const out = new URLSearchParams();
  if (host.startsWith('/')) out.set('host', host);
  for (const [name, value] of tls(params)) out.set(name, value);
  for (const name of ['application_name', 'fallback_application_name']) if (params.has(name)) out.set(name, params.get(name)!);
  out.set('options', [params.get('options') ?? '', settings].join(' ').trim());
  // A space is %20: libpq, and this function, take a plus for a plus.
  const search = out.toString().replaceAll('+', '%20');
  const secret = password === '' ? '' : `:${encodeURIComponent(password)}`;
  const place = host.startsWith('/') || host === '' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  const connectionString = `postgres://${encodeURIComponent(user ?? '')}${secret}${user === undefined && secret === '' ? '' : '@'}${place}${port === '' ? '' : `:${port}`}/${encodeURI(database ?? '')}?${search}`;
  if (!URL.canParse(connectionString)) throw wrong(`has an invalid host: write ${form}`);
  return { connectionString, host: host || 'localhost', user, database, withoutEffect: ignored(params) };
}

function split(text: string): { authority: string; path: string; params: URLSearchParams } {
  const found = /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?(#.*)?$/is.exec(text);
  if (found === null) throw wrong(`must be a URL of the form ${form}, without quotes around it`);
  const [, authority = '', path = '', query = '', fragment] = found;
  // As in libpq, a plus is a plus, also in a password.
  const params = new URLSearchParams(query.replaceAll('+', '%2B'));
  // An unescaped /, ? or # in the password ends the authority too early, and the last @ comes after it. What looks like a
  // parameter then is a part of the password.
  const isCut = path.includes('@') || (query.includes('@') && [...params.keys()].some((name) => !known.includes(name)));
  if (fragment !== undefined || isCut) throw wrong('has a /, ? or # in its password or another part: write %2F for /, %3F for ?, %23 for #, and %40 for an @ after the host');
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

function address(authority: string, params: URLSearchParams): { host: string; port: string } {
  const given = params.get('host') || decode(authority);
  if (given.includes(',')) {
    const hosts = given.split(',').map((each) => each.replace(/:\d*$/, ''));
    // Without an @ the user and the password stand where the hosts are read.
    const listed = hosts.some((each) => each.includes(':') && !each.startsWith('[')) ? '' : ` (${hosts.join(', ')})`;
    throw wrong(`names several hosts${listed}: name one, the primary or an address that always leads to it`);
  }
  if (given.startsWith('/')) return { host: given.replace(/:\d+$/, ''), port: portOf(params.get('port') || (/:(\d+)$/.exec(given)?.[1] ?? '')) };
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/s.exec(given);
  if (bracketed === null && given.split(':').length > 2) throw wrong('has an IPv6 address without brackets: write [ADDRESS]:PORT');
  const [host = '', port = ''] = bracketed?.slice(1) ?? given.split(':');
  return { host, port: portOf(params.get('port') || port) };
}

function portOf(text: string): string {
  if (text !== '' && !(/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535))
    throw wrong('has a port that is not a number from 1 to 65535 (a : in the user or a @ in the password is written %3A or %40)');
  return text;
}

function checkParameters(params: URLSearchParams): void {
  for (const name of new Set(params.keys())) {
    if (!known.includes(name)) throw wrong(`has the unknown parameter ${name.slice(0, 50)}: ${suggestion(name)}`);
    if (Object.hasOwn(refused, name)) throw wrong(`has the parameter ${name}, which is not supported: ${refused[name]}`);
    if (params.getAll(name).length > 1) throw wrong(`has the parameter ${name} more than once`);
  }
  for (const name of ['schema', 'currentSchema', 'search_path']) {
    const schema = params.get(name);
    if (schema !== null && schema !== 'public')
      throw wrong(`has ${name}=${schema.slice(0, 63)}, but the tables are in the schema public: leave it out, and use a database of its own for Sfera`);
  }
  const encoding = params.get('client_encoding');
  if (encoding !== null && !/^utf-?8$|^auto$/i.test(encoding)) throw wrong('has a client_encoding other than UTF8: leave it out');
  const target = params.get('target_session_attrs');
  if (target !== null && !['any', 'read-write', 'primary'].includes(target))
    throw wrong(`has target_session_attrs=${target.slice(0, 30)}, but Sfera writes: name the primary, and leave the parameter out`);
}

function suggestion(name: string): string {
  const found = closest(name, known);
  return found === undefined ? 'leave it out' : `did you mean ${found}`;
}

const modes = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full', 'no-verify'];

/**
 * Returns the TLS parameters. As in node-postgres 8, `prefer`, `require` and `verify-ca` check the certificate and the
 * host; with `uselibpqcompat=true` they mean what they mean in libpq.
 */
function tls(params: URLSearchParams): [name: string, value: string][] {
  const out = new Map(passed.flatMap((name) => (name.startsWith('ssl') && params.has(name) ? [[name, params.get(name)!] as const] : [])));
  const asLibpq = params.get('uselibpqcompat') === 'true';
  const ssl = params.get('ssl');
  if (ssl !== null && !['true', '1', 'false', '0', 'no-verify'].includes(ssl)) throw wrong('has an ssl that is not true, false or no-verify');
  const accept = params.get('sslaccept');
  if (accept !== null && accept !== 'strict' && accept !== 'accept_invalid_certs') throw wrong('has an sslaccept that is not strict or accept_invalid_certs');
  const fromSsl = ssl === null ? undefined : ssl === 'no-verify' ? 'no-verify' : ssl === 'true' || ssl === '1' ? 'verify-full' : 'disable';
  let mode = params.get('sslmode') ?? fromSsl ?? (accept === null ? undefined : 'verify-full');
  if (mode !== undefined && !modes.includes(mode)) throw wrong(`has an sslmode that is not one of ${modes.join(', ')}`);
  if (accept === 'accept_invalid_certs' && mode !== 'disable') mode = 'no-verify';
  if (out.get('sslrootcert') === 'system') {
    out.delete('sslrootcert');
    mode ??= 'verify-full';
  }
  for (const name of ['sslrootcert', 'sslcert', 'sslkey']) readable(name, out.get(name));
  // Only libpq's verify-ca skips the check of the host's name, and it needs the authority's certificate.
  const onlyAuthority = mode === 'verify-ca' && out.has('sslrootcert');
  if (asLibpq && mode === 'verify-ca' && !onlyAuthority) throw wrong('has sslmode=verify-ca without sslrootcert: name the file of the authority’s certificate');
  if (asLibpq || onlyAuthority) out.set('uselibpqcompat', 'true');
  else if (mode === 'prefer' || mode === 'require' || mode === 'verify-ca') mode = 'verify-full';
  if (mode !== undefined) out.set('sslmode', mode);
  return [...out];
}

function readable(name: string, file: string | undefined): void {
  if (file === undefined) return;
  try {
    readFileSync(file);
  } catch (error) {
    throw wrong(`names a file in ${name} that cannot be read (${(error as NodeJS.ErrnoException).code}): ${file}`);
  }
}

function ignored(params: URLSearchParams): string[] {
  return [...new Set(params.keys())].filter((name) => Object.hasOwn(withoutEffect, name)).map((name) => {
    const instead = withoutEffect[name];
    return instead === undefined ? name : `${name} (${instead})`;
  });
}
