import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TLSSocket } from 'node:tls';
import pgConnectionString from 'pg-connection-string';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ConfigError } from '../../src/config.ts';
import { connect } from '../../src/db/client.ts';
import { parseConnectionUrl } from '../../src/db/connection-url.ts';
import { createLogger } from '../../src/logger.ts';

const line = (url: string): string => {
  try {
    parseConnectionUrl(url);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as Error).message;
  }
  return 'accepted';
};

/** Returns the connection parameters that node-postgres parses from the URL. */
const meaning = (url: string) => pgConnectionString.parse(parseConnectionUrl(url).connectionString);

describe('a DATABASE_URL', () => {
  it.each([
    ['postgres://u:100%sure@h/db', { user: 'u', password: '100%sure', host: 'h', database: 'db' }],
    ['postgres://u:100%25sure@h/db', { password: '100%sure' }],
    ['postgres://u:%@h/db', { password: '%' }],
    ['postgres://u:a%zz%20b%ff@h/db', { password: 'a%zz b%ff' }],
    ['postgres://u:p@ss:w@rd@h:6432/db', { user: 'u', password: 'p@ss:w@rd', host: 'h', port: '6432' }],
    ['postgres://u:%2F%3F%23@h/db', { password: '/?#' }],
    ['postgresql://u:пароль@h/база', { password: 'пароль', database: 'база' }],
    ['postgres://u%40azure:p@h/db', { user: 'u@azure', password: 'p' }],
    ['postgres://u@[::1]:5433/db', { host: '::1', port: '5433' }],
    ['postgres://u@[fe80::1]/db', { host: 'fe80::1' }],
    ['postgres://u@/db?host=/var/run/postgresql', { user: 'u', host: '/var/run/postgresql', database: 'db' }],
    ['postgres:///db?host=/var/run/postgresql&user=u&password=p%25w', { user: 'u', password: 'p%w', host: '/var/run/postgresql' }],
    ['postgres://u@%2Fvar%2Frun%2Fpostgresql/db', { host: '/var/run/postgresql', database: 'db' }],
    ['postgres://u@h/db?port=6000', { port: '6000' }],
    ['postgres://u@h?dbname=db', { database: 'db' }],
    ['postgres://u@h/db?schema=public', { database: 'db' }],
    ['postgres://u@h/db?target_session_attrs=read-write', { host: 'h' }],
    ['postgres://u@h/db?sslmode=disable', { ssl: false }],
    ['postgres://u@h/db?ssl=false', { ssl: false }],
    ['postgres://u@h/db?sslmode=require', { sslmode: 'verify-full', ssl: {} }],
    ['postgres://u@h/db?sslmode=prefer', { sslmode: 'verify-full', ssl: {} }],
    ['postgres://u@h/db?ssl=true', { sslmode: 'verify-full', ssl: {} }],
    ['postgres://u@h/db?sslmode=require&sslrootcert=system', { sslmode: 'verify-full', ssl: {} }],
    ['postgres://u@h/db?sslmode=require&sslaccept=accept_invalid_certs', { ssl: { rejectUnauthorized: false } }],
    ['postgres://u@h/db?sslaccept=strict', { sslmode: 'verify-full', ssl: {} }],
    ['postgres://u@h/db?sslmode=no-verify', { ssl: { rejectUnauthorized: false } }],
    ['postgres://u@h/db?uselibpqcompat=true&sslmode=require', { ssl: { rejectUnauthorized: false } }],
    ['postgres://u@h/db?password=a+b%20c', { password: 'a+b c' }],
    ['postgres://u@h/db?user=u@azure&password=p@ss', { user: 'u@azure', password: 'p@ss' }],
    ['postgres://u@h/db?application_name=x', { application_name: 'x' }],
  ])('%s is parsed as intended', (url, expected) => {
    expect(meaning(url)).toMatchObject(expected);
    // Code that opens further connections, such as src/events/notifier.ts, gets the normalised URL. Parsing the normalised
    // URL again must not change it.
    const { connectionString } = parseConnectionUrl(url, '-c TimeZone=UTC -c lock_timeout=5s');
    expect(parseConnectionUrl(connectionString).connectionString).toBe(connectionString);
  });

  it.each([
    ['mysql://u:geheim@h/db', /^DATABASE_URL must be a URL of the form postgres:\/\/USER/],
    ['"postgres://u:geheim@h/db"', /without quotes/],
    ['jdbc:postgresql://h/db', /must be a URL of the form/],
    ['host=h dbname=db password=geheim', /must be a URL of the form/],
    ['postgres://u:geheim/x@h/db', /%2F for \//],
    ['postgres://u:geheim?x@h/db', /%3F for \?/],
    ['postgres://u:geheim#x@h/db', /%23 for #/],
    ['postgres://u:p@geheim/geheim@h/db', /%2F for \//],
    ['postgres://u:p@geheim?geheim@h/db', /%3F for \?/],
    ['postgres://u:p@geheim?geheim=geheim@h/db', /%3F for \?/],
    ['postgres://u:p@h/d@b', /%40 for an @/],
    ['postgres://u:geheim,geheim/db', /names several hosts: name one/],
    ['postgres://u@h/a%3Fb', /\? or # in its name/],
    ['postgres://u@h/?dbname=a%23b', /\? or # in its name/],
    ['postgres://u:geheim@h1:5432,h2:5433/db?target_session_attrs=read-write', /names several hosts \(h1, h2\): name one/],
    ['postgres://u:geheim@/db?host=h1,h2', /names several hosts \(h1, h2\)/],
    ['postgres://u:geheim@h/db?target_session_attrs=standby', /target_session_attrs=standby.*name the primary/],
    ['postgres://u:geheim@::1/db', /IPv6 address without brackets/],
    ['postgres://u:geheim@h:port/db', /port that is not a number/],
    ['postgres://u:geheim@h:99999/db', /port that is not a number/],
    ['postgres://u:geheim@a b/db', /has an invalid host/],
    ['postgres://u:geheim@h/db?schema=sfera', /has schema=sfera, but the tables are in the schema public/],
    ['postgres://u:geheim@h/db?currentSchema=sfera', /has currentSchema=sfera/],
    ['postgres://u:geheim@h/db?search_path=sfera', /has search_path=sfera/],
    ['postgres://u:geheim@h/db?sslmod=require', /unknown parameter sslmod: did you mean sslmode/],
    ['postgres://u:geheim@h/db?stream=1', /unknown parameter stream/],
    ['postgres://u:geheim@h/db?sslmode=on', /an sslmode that is not one of disable, /],
    ['postgres://u:geheim@h/db?sslmode=allow', /an sslmode that is not one of/],
    ['postgres://u:geheim@h/db?ssl=yes', /an ssl that is not true, false/],
    ['postgres://u:geheim@h/db?sslaccept=any', /an sslaccept that is not/],
    ['postgres://u:geheim@h/db?sslrootcert=/nowhere.pem', /sslrootcert that cannot be read \(ENOENT\): \/nowhere\.pem/],
    ['postgres://u:geheim@h/db?uselibpqcompat=true&sslmode=verify-ca', /without sslrootcert/],
    ['postgres://u:geheim@h/db?sslidentity=x', /sslidentity, which is not supported: write sslcert/],
    ['postgres://u:geheim@h/db?service=x', /service, which is not supported/],
    ['postgres://u:geheim@h/db?replication=database', /replication, which is not supported/],
    ['postgres://u:geheim@h/db?client_encoding=WIN1251', /client_encoding other than UTF8/],
    ['postgres://u:geheim@h/db?sslmode=disable&sslmode=require', /sslmode more than once/],
  ])('%s is refused with the reason', (url, expected) => {
    const text = line(url);
    expect(text).toMatch(expected);
    expect(text).toMatch(/^DATABASE_URL [^\n]*\.$/);
    expect(text).not.toContain('geheim');
  });

  const secrets = ['geheim', 'wort'];
  const separators = ['@', '/', '?', '#', ':', '&', '=', '@/', '@?', '@#', '/@', '?@', '#@', '?&', '@?=', '@?&', '/?@', '@/?='];
  it.each(separators.flatMap((one) => separators.map((other) => `${secrets[0]}${one}${secrets[1]}${other}x`)))(
    'never shows the password %s',
    (password) => {
      const url = `postgres://u:${password}@h/db`;
      const text = line(url);
      // A URL is unambiguous if its password contains no /, ? and #.
      if (/[/?#]/.test(password)) expect(text).toMatch(/has a \/, \? or # in its password|a port that is not a number/);
      else expect(meaning(url)).toMatchObject({ password, host: 'h' });
      for (const secret of secrets) expect(text).not.toContain(secret);
    },
  );

  it('warns of parameters of other programs that have no effect', () => {
    const url = 'postgres://u@h/db?connection_limit=5&pgbouncer=true&channel_binding=require&statement_timeout=1&connect_timeout=3';
    expect(parseConnectionUrl(url).withoutEffect).toEqual([
      'connection_limit (set DATABASE_POOL)',
      'pgbouncer',
      'channel_binding',
      'statement_timeout (Sfera sets its own)',
      'connect_timeout (Sfera sets its own)',
    ]);
    expect(Object.keys(meaning(url)).sort()).toEqual(['database', 'host', 'options', 'password', 'port', 'user']);
  });

  it('keeps its options and appends the settings', () => {
    const { connectionString } = parseConnectionUrl('postgres://u@h/db?options=-c%20work_mem%3D8MB', '-c lock_timeout=5s');
    expect(pgConnectionString.parse(connectionString).options).toBe('-c work_mem=8MB -c lock_timeout=5s');
  });
});

const servers: Server[] = [];
/** Starts a listener that passes the first bytes of each connection to `answer`. `afterEach` closes the listener. */
async function answering(answer: (socket: Socket, first: Buffer) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', (first) => answer(socket, first));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** Encodes an ErrorResponse message like PostgreSQL and PgBouncer. */
const errorOf = (code: string, message: string): Buffer => {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const header = Buffer.alloc(5);
  header.write('E');
  header.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([header, fields]);
};

const password = 'geheim%zz';
async function refusal(url: string): Promise<string> {
  const refused: unknown = await connect({ databaseUrl: url, poolSize: 2, log: createLogger('silent') }).then(
    async (database) => (await database.close(), 'connected'),
    (error: unknown) => error,
  );
  expect(refused).toBeInstanceOf(ConfigError);
  const { message } = refused as Error;
  expect(message).toMatch(/^The database on [^\n]* \(user u, database db\) cannot be reached: [^\n]*\.$/);
  expect(message).not.toContain('geheim');
  return message;
}
const urlOf = (place: string, query = '') => `postgres://u:${password}@${place}/db${query}`;

describe('a connection that fails', () => {
  it.each([
    ['28P01', 'password authentication failed for user "u"', /refused the user or the password/],
    ['28000', 'no pg_hba.conf entry for host "10.0.0.1", user "u", database "db", no encryption', /only with TLS.*sslmode=require/],
    ['28000', 'no pg_hba.conf entry for host "10.0.0.1", user "u", database "db", SSL encryption', /pg_hba\.conf has no line/],
    ['28000', 'role "u" does not exist', /no role of this name/],
    ['28000', 'role "u" is not permitted to log in', /LOGIN/],
    ['28000', 'no PostgreSQL user name specified in startup packet', /names no user/],
    ['28000', 'Peer authentication failed for user "u"', /lets in only the system user/],
    ['3D000', 'database "db" does not exist', /no database of this name/],
    ['42501', 'permission denied for database "db"', /GRANT CONNECT/],
    ['08P01', 'unsupported startup parameter: options', /pooler.*connect to PostgreSQL directly/],
    ['42601', 'invalid command-line argument for server process: x', /refuses the options/],
    ['42704', 'unrecognized configuration parameter "x"', /refuses the options/],
    ['XX000', 'Tenant or user not found', /the error XX000/],
  ])('with %s «%s» is reported with the reason', async (code, message, expected) => {
    expect(await refusal(urlOf(await answering((socket) => socket.end(errorOf(code, message)))))).toMatch(expected);
  });

  it('because the server has no connection left is reported after ten seconds', async () => {
    expect(await refusal(urlOf(await answering((socket) => socket.end(errorOf('53300', 'sorry, too many clients already')))))).toMatch(
      /no connection left: lower DATABASE_POOL/,
    );
  });

  it('because DATABASE_URL has no password is reported with this reason', async () => {
    const askScram = Buffer.from('R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0');
    const goOn = Buffer.from('R\0\0\0\x0c\0\0\0\x0br=x,');
    const place = await answering((socket) => {
      socket.write(askScram);
      socket.once('data', () => socket.write(goOn));
    });
    expect(await refusal(`postgres://u@${place}/db`)).toMatch(/asks for a password, and DATABASE_URL has none/);
  });

  it('because the server has no TLS is reported with this reason', async () => {
    expect(await refusal(urlOf(await answering((socket) => socket.write('N')), '?sslmode=require'))).toMatch(
      /offers no TLS: write sslmode=disable/,
    );
  });

  it('because the server is not PostgreSQL is reported with this reason', async () => {
    expect(await refusal(urlOf(await answering((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))))).toMatch(
      /not PostgreSQL|is PostgreSQL/,
    );
  });

  it.each([
    ['no server listens', urlOf('127.0.0.1:1'), /nothing listens there/],
    ['the socket does not exist', `postgres://u:${password}@/db?host=/nowhere`, /no such socket/],
    ['the host does not exist', urlOf('nowhere.invalid'), /no such host|name service/],
  ])('because %s is reported with this reason after ten seconds', async (_reason, url, expected) => {
    expect(await refusal(url)).toMatch(expected);
  });
});

describe.runIf(spawnSync('openssl', ['version']).status === 0)('a server with a self-signed certificate', () => {
  let dir: string;
  const file = (name: string) => join(dir, name);
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'sfera-'));
    const made = spawnSync('openssl', [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=db.example',
      '-addext',
      'subjectAltName=DNS:db.example',
      '-keyout',
      file('key.pem'),
      '-out',
      file('cert.pem'),
    ]);
    expect(made.status).toBe(0);
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /**
   * Starts a server that accepts TLS and then refuses the password. The refusal shows that the client accepted the
   * certificate.
   */
  const encrypting = () =>
    answering((socket) => {
      socket.write('S');
      const tls = new TLSSocket(socket, { isServer: true, key: readFileSync(file('key.pem')), cert: readFileSync(file('cert.pem')) });
      tls.on('error', () => {});
      tls.once('data', () => tls.end(errorOf('28P01', 'password authentication failed for user "u"')));
    });

  it.each([
    ['?sslmode=require', /certificate is self-signed: name .* sslrootcert=FILE, or write sslmode=no-verify/],
    ['?sslmode=no-verify', /refused the user or the password/],
    ['?sslmode=require&sslaccept=accept_invalid_certs', /refused the user or the password/],
    ['?sslmode=verify-full&sslrootcert=CERT', /certificate is for another host/],
    ['?sslmode=verify-ca&sslrootcert=CERT', /refused the user or the password/],
  ])('%s', async (query, expected) => {
    expect(await refusal(urlOf(await encrypting(), query.replace('CERT', encodeURIComponent(file('cert.pem')))))).toMatch(expected);
  });
});
