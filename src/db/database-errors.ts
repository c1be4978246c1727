import { ConfigError } from '../config.ts';
import { causesOf, isUnanswered, sqlStateOf } from './availability.ts';
import type { ConnectionUrl } from './connection-url.ts';

/** Explains errors of the database to the operator: the reason and what to do. */

interface DatabaseError {
  code?: string;
  message?: string;
  /** The function of the server that reported the error. */
  routine?: string;
}

const socketReasons: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there: check the host and the port',
  ECONNRESET: 'it closed the connection',
  ENOTFOUND: 'no such host is known',
  EAI_AGAIN: 'the name service does not answer',
  ETIMEDOUT: 'it does not answer in time: check the host, the port and the firewall',
  EHOSTUNREACH: 'there is no route to it',
  ENETUNREACH: 'there is no route to it',
  ENOENT: 'there is no such socket: check the folder and the port',
  EACCES: 'this user may not use the socket',
  EINVAL: 'its address is not valid',
};

const certificateHint = 'name its authority’s certificate with sslrootcert=FILE, or write sslmode=no-verify to encrypt without checking it';
const tlsReasons: Record<string, string> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: `its certificate is self-signed: ${certificateHint}`,
  SELF_SIGNED_CERT_IN_CHAIN: `its certificate comes from an authority that is not known here: ${certificateHint}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `its certificate comes from an authority that is not known here: ${certificateHint}`,
  UNABLE_TO_GET_ISSUER_CERT: `its certificate comes from an authority that is not known here: ${certificateHint}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `its certificate comes from an authority that is not known here: ${certificateHint}`,
  CERT_HAS_EXPIRED: 'its certificate has expired: renew it',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: check the clocks of both machines',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for another host: write the host that the certificate names, or sslmode=verify-ca with sslrootcert=FILE',
  EPROTO: 'TLS failed: the two sides have no protocol in common',
};

/**
 * Reasons by message, for errors without a code, and for codes that say too little. PostgreSQL translates its
 * messages (`lc_messages`). If a translated message matches no pattern, a less exact reason below applies.
 */
const messageReasons: readonly [RegExp, string][] = [
  [/does not support SSL connections/, 'it offers no TLS: write sslmode=disable if you trust the network, or turn on `ssl` on the server'],
  [/error establishing an SSL connection/, 'it answered the request for TLS with an error: check that it is PostgreSQL'],
  [
    /no pg_hba\.conf entry.*no encryption/,
    'it accepts this user, database or address only with TLS, or not at all: write sslmode=require, or add a line to its pg_hba.conf',
  ],
  [/no pg_hba\.conf entry/, 'its pg_hba.conf has no line for this user, database and address: add one'],
  [/client password must be a/, 'it asks for a password, and DATABASE_URL has none'],
  [/no PostgreSQL user name specified/, 'DATABASE_URL names no user'],
  [
    /(Peer|Ident) authentication failed/,
    'it lets in only the system user of this name: connect with a password over TCP, or change its pg_hba.conf',
  ],
  [/is not permitted to log in/, 'the role may not log in: ALTER ROLE … LOGIN'],
  [/role .* does not exist/, 'it has no role of this name'],
  [/[Uu]nsupported startup parameter/, 'it is a connection pooler that refuses the parameter `options`: connect to PostgreSQL directly'],
  [/received invalid response|invalid frontend message/, 'what answers there is not PostgreSQL: check the port'],
  [/timeout/i, 'it does not answer in time: check the host, the port and the firewall'],
  [/Connection terminated/, 'it closed the connection without an answer: check that it is PostgreSQL'],
];

/** Reasons for the SQLSTATE 28000, by the server's function. Some servers and poolers do not send the function. */
const routineReasons: Record<string, string> = {
  ClientAuthentication:
    'its pg_hba.conf has no line for this user, database and address, or accepts them only with TLS: add one, or write sslmode=require',
  InitializeSessionUserId: 'it has no role of this name that may log in: CREATE ROLE … LOGIN, or ALTER ROLE … LOGIN',
  ProcessStartupPacket: 'DATABASE_URL names no user',
  auth_failed:
    'it lets in only the system user of this name (peer or ident), or its pg_hba.conf asks for other proof than a password: connect with a password over TCP, or change its pg_hba.conf',
};

const sqlReasons: Record<string, string> = {
  '28P01': 'it refused the user or the password',
  '28000': 'it refused the user: check that the role exists and may log in, and that pg_hba.conf accepts it from this address',
  '42601': 'it refuses the options in DATABASE_URL',
  '42704': 'it refuses the options in DATABASE_URL',
  '3D000': 'it has no database of this name',
  '53300': 'it has no connection left: lower DATABASE_POOL, or raise the limit of the role, the database or the server',
  '42501': 'the role may not connect to this database: GRANT CONNECT ON DATABASE … TO …',
  '57P03': 'it is starting or shutting down',
};

/** Returns a ConfigError with the reason why connecting failed. The message never contains the password. */
export function connectionError(error: unknown, { host, user, database }: Pick<ConnectionUrl, 'host' | 'user' | 'database'>): ConfigError {
  const { code = '', message = '', routine = '' } = error as DatabaseError;
  const reason =
    messageReasons.find(([pattern]) => pattern.test(message))?.[1] ??
    (code === '28000' ? routineReasons[routine] : undefined) ??
    tlsReasons[code] ??
    socketReasons[code] ??
    sqlReasons[code] ??
    (code === '' ? 'no answer' : `it answered with the error ${code}`);
  const names = [user === undefined ? '' : `user ${user}`, database === undefined ? '' : `database ${database}`]
    .filter((part) => part !== '')
    .join(', ');
  return new ConfigError(`The database on ${host}${names === '' ? '' : ` (${names})`} cannot be reached: ${reason}.`, { cause: error });
}

/** Returns the ConfigError in a chain of causes. The embedded database fails with a ConfigError when its folder is lost. */
export function configErrorOf(error: unknown): ConfigError | undefined {
  for (const cause of causesOf(error)) if (cause instanceof ConfigError) return cause;
  return undefined;
}

/**
 * Returns a ConfigError that explains why a statement failed or lost its connection while the server was starting.
 * Returns an error that does not come from the database unchanged.
 */
export function statementError(error: unknown): unknown {
  const configError = configErrorOf(error);
  if (configError !== undefined) return configError;
  if (isUnanswered(error)) return new ConfigError('The connection to the database was lost while starting: start again.', { cause: error });
  const code = sqlStateOf(error);
  if (code === undefined) return error;
  return new ConfigError(statementReason(error) ?? `A statement of the start failed with the database error ${code}.`, { cause: error });
}

/** Errors that last until the operator changes something: TLS, rights, and a pooler that refuses `options`. */
const permanentCodes = /^(EACCES|ERR_(SSL|TLS)_\w+|CERT_\w+|UNABLE_TO_\w+|\w*SELF_SIGNED_CERT\w*)$/;
const permanentMessages = /does not support SSL|error establishing an SSL|unsupported startup parameter/i;

/**
 * Returns whether a later attempt to connect may succeed with the same settings, because the server, the pooler or the
 * DNS name may not be up yet.
 */
export function isTemporary(error: unknown): boolean {
  const { code = '', message = '' } = error as DatabaseError;
  if (permanentCodes.test(code) || permanentMessages.test(message)) return false;
  return isUnanswered(error) || /^53/.test(sqlStateOf(error) ?? '');
}

/** Extensions that the migrations create. */
export const extensions = ['btree_gist', 'pg_trgm'];

/**
 * Returns why a statement that creates, alters or reads the tables failed, and what to do; undefined for an error that
 * it cannot explain. Of the message of the error, reads only the names (extension, schema), since PostgreSQL translates
 * the words.
 */
export function statementReason(error: unknown, session: { user?: string; database?: string } = {}): string | undefined {
  const message = [...causesOf(error)].map((cause) => String(cause.originalMessage ?? cause.message)).join('\n');
  const [user, database] = [
    session.user === undefined ? '…' : `"${session.user}"`,
    session.database === undefined ? '…' : `"${session.database}"`,
  ];
  const extension = extensions.find((name) => message.includes(name));
  switch (sqlStateOf(error)) {
    case '42501':
      if (extension !== undefined)
        return `The role ${user} may not create the extension ${extension}: GRANT CREATE ON DATABASE ${database} TO ${user}, or let a superuser run CREATE EXTENSION btree_gist; CREATE EXTENSION pg_trgm; in this database.`;
      if (/\bpublic\b/.test(message))
        return `The role ${user} may not create tables in the schema public: GRANT USAGE, CREATE ON SCHEMA public TO ${user}; or make it the owner: ALTER DATABASE ${database} OWNER TO ${user}.`;
      return `The role ${user} may not use the tables of Sfera, which belong to another role: connect as that role, or GRANT ALL ON ALL TABLES IN SCHEMA public TO ${user}.`;
    case '0A000':
    case '58P01':
      return extension === undefined
        ? undefined
        : `The server does not have the extension ${extension}: install PostgreSQL's contrib package there (on Debian it is part of postgresql).`;
    case '42P07':
    case '42710':
      return 'The database has tables or types of another program in the schema public: give Sfera a database of its own.';
    case '25006':
      return 'The database is read-only, such as a standby: name the primary in DATABASE_URL.';
    case '53100':
      return 'The disk of the database is full.';
    case '3F000':
      return `The role ${user} has no schema to create tables in: GRANT USAGE, CREATE ON SCHEMA public TO ${user}.`;
    default:
      return undefined;
  }
}
