import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from './config-error.ts';
import { createFolder, folderError } from './data-folder.ts';
import { CheckedEnvironment, type Environment } from './environment.ts';
import { mailConfig, type MailConfig } from './mail-config.ts';

export { ConfigError };

/** An external issuer. The server accepts its tokens, and verifies them with its JWKS. */
export interface TrustedIssuer {
  issuer: string;
  audience: string;
  jwksUri: string;
}

/** Proxies whose `X-Forwarded-For` the server trusts: their number, or their addresses and networks. */
export type TrustedProxies = number | BlockList;

export interface Config {
  port: number;
  host: string;
  /** The public URL of the server, without a slash at the end. */
  publicUrl: string;
  /** URL of a PostgreSQL server; undefined selects the embedded database in `dataDir`. */
  databaseUrl: string | undefined;
  /** Connections that this process may open to a PostgreSQL server. */
  databasePool: number;
  /** Number of processes that share the port on this machine. */
  workers: number;
  /** Whether this process deletes expired data every hour; one process per database is enough. */
  housekeeping: boolean;
  dataDir: string;
  /** The secret from which the keys of links, cookies, rate limits and stored signing keys are derived. */
  secretKey: Buffer;
  /** What executes queries: `plans` selects the executor of src/executor/. */
  executor: 'plans' | 'graphql-js';
  /** How src/reader/ returns the rows of queries: as views of the received bytes, or as node-postgres's objects. */
  rows: 'views' | 'objects';
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'silent';
  allowedOrigins: readonly string[];
  trustedIssuers: readonly TrustedIssuer[];
  /** Trusted proxies; 0 uses the socket's address as the client's address. */
  trustProxy: TrustedProxies;
  accessTokenSeconds: number;
  /** Days without use after which a session expires. */
  sessionDays: number;
  /** Days for which events stay in the log. */
  eventDays: number;
  /** Maximum number of wrong passwords for an account in 15 minutes. */
  signInTries: number;
  operationsPerMinute: number;
  /** Maximum cost of the operations of an account in a minute. The unit is an object of a result (docs/limits.md). */
  costPerMinute: number;
  /** Largest number of WebSockets of an account; also the largest number of its subscriptions. */
  streamsPerAccount: number;
  /** Whether the server creates the demonstration school in an empty embedded database. */
  demo: boolean;
  /**
   * Seconds that an idle connection stays open. Must be longer than the idle timeout of a proxy in front of the
   * server. Otherwise the proxy may send a request on a connection that the server has just closed.
   */
  keepAliveSeconds: number;
  /** Seconds in which running requests must finish when the server stops. */
  stopSeconds: number;
  /** Seconds for which the stopping server still accepts requests, until load balancers notice that it stops. */
  stopDelaySeconds: number;
  /** Bearer token for /metrics; undefined allows only loopback connections. */
  metricsToken: string | undefined;
  /** The SMTP server for mails; undefined sends no mails. */
  mail: MailConfig | undefined;
  /** Warnings about the settings for the operator, one line each. */
  warnings: readonly string[];
}

const invalidSetting = (name: string, requirement: string): ConfigError => new ConfigError(`${name} must be ${requirement}.`);

function integer(env: CheckedEnvironment, name: string, defaultValue: number, [min, max]: readonly [min: number, max: number]): number {
  const text = env.get(name);
  if (text === undefined || text === '') return defaultValue;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= min && value <= max)) throw invalidSetting(name, `a whole number from ${min} to ${max}`);
  return value;
}

/** Reads WORKERS. `auto` is the number of cores, or 1 with the embedded database. */
function workers(env: CheckedEnvironment, embedded: boolean): number {
  if (env.get('WORKERS') === 'auto') return embedded ? 1 : availableParallelism();
  const count = integer(env, 'WORKERS', 1, [1, 256]);
  if (embedded && count > 1)
    throw invalidSetting('WORKERS', '1 with the embedded database, which has one process; set DATABASE_URL to a PostgreSQL server');
  return count;
}

function choice<T extends string>(env: CheckedEnvironment, name: string, defaultValue: T, values: readonly T[]): T {
  const text = env.get(name) || defaultValue;
  const value = values.find((known) => known === text);
  if (value === undefined) throw invalidSetting(name, `one of ${values.join(', ')}`);
  return value;
}

function flag(env: CheckedEnvironment, name: string, defaultValue: boolean): boolean {
  const text = env.get(name);
  if (text === undefined || text === '') return defaultValue;
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw invalidSetting(name, 'true or false');
}

/** Reads TRUST_PROXY: false, true (one proxy), the number of proxies, or a list of addresses and networks. */
function trustedProxies(env: CheckedEnvironment): TrustedProxies {
  const text = env.get('TRUST_PROXY')?.trim() ?? '';
  if (text === '' || text === 'false') return 0;
  if (text === 'true') return 1;
  if (/^\d$/.test(text)) return Number(text);
  const requirement =
    'false, true (one proxy), the number of proxies up to 9, or a list of addresses and networks such as 10.0.0.0/8, fd00::/8';
  const proxies = new BlockList();
  const items = list(env, 'TRUST_PROXY');
  if (items.length === 0) throw invalidSetting('TRUST_PROXY', requirement);
  for (const item of items) {
    const [, address = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(item) ?? [];
    const version = isIP(address);
    const maxPrefix = version === 4 ? 32 : 128;
    const prefix = bits === undefined ? maxPrefix : Number(bits);
    if (version === 0 || prefix < 1 || prefix > maxPrefix) throw invalidSetting('TRUST_PROXY', requirement);
    proxies.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6');
  }
  return proxies;
}

function url(name: string, text: string, protocols: readonly string[]): string {
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol))
    throw invalidSetting(name, `a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`);
  return text.replace(/\/+$/, '');
}

/** Checks PUBLIC_URL. It has no path, since the server uses fixed paths from the root of its host. */
function publicUrl(text: string): string {
  const checked = url('PUBLIC_URL', text, ['http:', 'https:']);
  if (new URL(checked).origin !== checked)
    throw invalidSetting('PUBLIC_URL', 'an address without a path, such as https://sfera.example.org');
  return checked;
}

function list(env: CheckedEnvironment, name: string): string[] {
  return (env.get(name) ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

function origins(env: CheckedEnvironment): string[] {
  return list(env, 'ALLOWED_ORIGINS').map((text) => {
    const { origin, href } = new URL(url('ALLOWED_ORIGINS', text, ['http:', 'https:']));
    if (href !== `${origin}/`)
      throw invalidSetting('ALLOWED_ORIGINS', 'origins without a path, separated by commas, such as https://school.example.org');
    return origin;
  });
}

/** Reads TRUSTED_ISSUERS: a JSON array of { issuer, audience, jwksUri }. */
function issuers(env: CheckedEnvironment): TrustedIssuer[] {
  const text = env.get('TRUSTED_ISSUERS');
  if (text === undefined || text === '') return [];
  const shape = 'a JSON array of objects with the strings issuer, audience and jwksUri';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidSetting('TRUSTED_ISSUERS', shape);
  }
  if (!Array.isArray(value)) throw invalidSetting('TRUSTED_ISSUERS', shape);
  return value.map((item: Partial<TrustedIssuer> | null) => {
    const { issuer, audience, jwksUri } = item ?? {};
    if (typeof issuer !== 'string' || typeof audience !== 'string' || typeof jwksUri !== 'string' || issuer === '' || audience === '')
      throw invalidSetting('TRUSTED_ISSUERS', shape);
    return { issuer, audience, jwksUri: url('TRUSTED_ISSUERS', jwksUri, ['http:', 'https:']) };
  });
}

/** Returns SECRET_KEY, or the secret in the data folder, which the first start creates. */
function secret(text: string | undefined, dataDir: string): Buffer {
  if (text !== undefined) {
    if (Buffer.byteLength(text) < 32) throw invalidSetting('SECRET_KEY', 'at least 32 bytes long (try: openssl rand -base64 32)');
    return Buffer.from(text);
  }
  const file = join(dataDir, 'secret');
  try {
    if (!existsSync(file)) createSecret(dataDir, file);
    const stored = readFileSync(file);
    if (stored.length < 32)
      throw new ConfigError(`The secret in ${file} is cut short: restore the file, or remove it if the folder has no data yet.`);
    return stored;
  } catch (error) {
    throw folderError(dataDir, error);
  }
}

/**
 * Writes the secret to a temporary file, and links that file into place. Two containers that start together then read
 * the same secret.
 */
function createSecret(dataDir: string, file: string): void {
  createFolder(dataDir);
  const temporaryFile = `${file}.${randomUUID()}`;
  const text = randomBytes(32).toString('base64');
  try {
    writeFileSync(temporaryFile, text, { mode: 0o600, flag: 'wx', flush: true });
    try {
      linkSync(temporaryFile, file);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return;
      // The file system has no hard links, so this writes the file directly.
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
      writeFileSync(file, text, { mode: 0o600, flag: 'wx', flush: true });
    }
  } finally {
    rmSync(temporaryFile, { force: true });
  }
}

/**
 * Reads and checks all settings.
 * @throws ConfigError with one line that names the variable and its requirement.
 */
export function readConfig(environment: Environment = process.env): Config {
  const env = new CheckedEnvironment(environment);
  const { warnings } = env;
  const port = integer(env, 'PORT', 4000, [0, 65_535]);
  const dataDir = env.get('DATA_DIR') || '.sfera';
  const logLevel = choice(env, 'LOG_LEVEL', 'info', ['fatal', 'error', 'warn', 'info', 'debug', 'silent']);
  const databaseUrl = env.get('DATABASE_URL') || undefined;
  const secretText = env.get('SECRET_KEY');
  const databasePool = integer(env, 'DATABASE_POOL', 10, [2, 1000]);
  if (databaseUrl === undefined && env.get('DATABASE_POOL') !== undefined)
    warnings.push('DATABASE_POOL has no effect without DATABASE_URL.');
  if (databaseUrl !== undefined && secretText !== undefined && env.get('DATA_DIR') !== undefined)
    warnings.push('DATA_DIR has no effect with DATABASE_URL and SECRET_KEY.');
  const demo = flag(env, 'DEMO', databaseUrl === undefined);
  if (demo && databaseUrl !== undefined)
    throw invalidSetting('DEMO', 'false with DATABASE_URL: the demonstration school is created only in the embedded database');
  const metricsToken = env.get('METRICS_TOKEN') || undefined;
  if (metricsToken !== undefined && metricsToken.length < 16) throw invalidSetting('METRICS_TOKEN', 'at least 16 characters long');
  const operationsPerMinute = integer(env, 'OPERATIONS_PER_MINUTE', 6000, [1, 100_000_000]);
  const config = {
    port,
    host: env.get('HOST') || '0.0.0.0',
    publicUrl: publicUrl(env.get('PUBLIC_URL') || `http://localhost:${port}`),
    databaseUrl,
    databasePool,
    workers: workers(env, databaseUrl === undefined),
    housekeeping: flag(env, 'HOUSEKEEPING', true),
    dataDir,
    executor: choice(env, 'EXECUTOR', 'plans', ['plans', 'graphql-js']),
    rows: choice(env, 'ROWS', 'views', ['views', 'objects']),
    logLevel,
    allowedOrigins: origins(env),
    trustedIssuers: issuers(env),
    trustProxy: trustedProxies(env),
    accessTokenSeconds: integer(env, 'ACCESS_TOKEN_SECONDS', 600, [1, 3600]),
    sessionDays: integer(env, 'SESSION_DAYS', 30, [1, 365]),
    eventDays: integer(env, 'EVENT_DAYS', 366, [1, 36_500]),
    signInTries: integer(env, 'SIGN_IN_TRIES', 10, [1, 1_000_000]),
    operationsPerMinute,
    // The minimum is twice the cost of the most costly query (`bounds.cost` of src/http/graphql/limits.ts).
    costPerMinute: integer(env, 'COST_PER_MINUTE', Math.max(operationsPerMinute * 200, 100_000), [100_000, 1_000_000_000_000]),
    streamsPerAccount: integer(env, 'STREAMS_PER_ACCOUNT', Math.max(Math.ceil(operationsPerMinute / 20), 300), [1, 100_000_000]),
    keepAliveSeconds: integer(env, 'KEEP_ALIVE_SECONDS', 75, [1, 3600]),
    stopSeconds: integer(env, 'STOP_SECONDS', 25, [1, 3600]),
    stopDelaySeconds: integer(env, 'STOP_DELAY_SECONDS', 0, [0, 600]),
    demo,
    metricsToken,
    mail: mailConfig(env),
    warnings,
  };
  // Runs before `secret`, so that a start with a misspelt SECRET_KEY does not create a secret in the data folder.
  env.checkNames();
  return { ...config, secretKey: secret(secretText, dataDir) };
}

/**
 * Returns the locale that the environment sets for messages: the first of the variables LC_ALL, LC_MESSAGES and LANG that
 * is not empty (POSIX, XBD 8.2). Returns undefined if all of them are empty, which is usual on Windows.
 */
export const localeOf = (env: NodeJS.ProcessEnv = process.env): string | undefined => [env.LC_ALL, env.LC_MESSAGES, env.LANG].find(Boolean);
