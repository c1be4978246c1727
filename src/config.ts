import { randomBytes, randomUUID } from 'node:crypto';
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { BlockList, isIP } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ConfigError } from './config-error.ts';
import { createFolder, folderError } from './data-folder.ts';
import { checkedEnvironment, type Environment } from './environment.ts';

export { ConfigError };

/** An outside issuer whose tokens are let in, checked by its JWKS. */
export interface TrustedIssuer {
  issuer: string;
  audience: string;
  jwksUri: string;
}

/** Trusted proxies, whose `X-Forwarded-For` counts: how many are in front, or their addresses and networks. */
export type TrustedProxies = number | BlockList;

export interface Config {
  port: number;
  host: string;
  /** Where people and clients reach the server, without a slash at the end. */
  publicUrl: string;
  /** A PostgreSQL server; undefined selects the embedded database in `dataDir`. */
  databaseUrl: string | undefined;
  /** Connections this process may hold on a PostgreSQL server. */
  databasePool: number;
  /** Processes that serve on this machine, behind one port. */
  workers: number;
  /** Forget each hour what is no longer kept; one process of a database is enough. */
  housekeeping: boolean;
  dataDir: string;
  /** Keys of links and of the sealed signing keys are derived from it. */
  secretKey: Buffer;
  logLevel: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'silent';
  /** Browser origins allowed besides the server's own. */
  allowedOrigins: readonly string[];
  trustedIssuers: readonly TrustedIssuer[];
  /** Proxies whose `X-Forwarded-For` gives the client's address; 0 uses the address of the socket. */
  trustProxy: TrustedProxies;
  /** Seconds an access token is valid. */
  accessTokenSeconds: number;
  /** Days a session lives without being used again. */
  sessionDays: number;
  /** Days the event log is kept. */
  eventDays: number;
  /** Wrong passwords that are evaluated for an account in 15 minutes. */
  signInTries: number;
  /** Operations an account may send in a minute. */
  operationsPerMinute: number;
  /** Objects that the answers to an account may hold in a minute. */
  costPerMinute: number;
  /** Sockets of an account, and subscriptions of an account. */
  streamsPerAccount: number;
  /** Make the demonstration school in an empty embedded database. */
  demo: boolean;
  /** Seconds that an idle connection is kept; longer than in the proxies in front, which would otherwise use closed ones. */
  keepAliveSeconds: number;
  /** Seconds that requests under way have to finish when the server stops. */
  stopSeconds: number;
  /** Seconds that the server goes on taking requests after it has begun to stop, for load balancers to notice. */
  stopDelaySeconds: number;
  /** Bearer token that /metrics asks for; undefined leaves it to loopback only. */
  metricsToken: string | undefined;
  /** Warnings for the operator about the settings, a line each. */
  warnings: readonly string[];
}

const wrong = (name: string, must: string): ConfigError => new ConfigError(`${name} must be ${must}.`);

function integer(env: Environment, name: string, fallback: number, least: number, most: number): number {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  const value = /^\d+$/.test(text) ? Number(text) : NaN;
  if (!(value >= least && value <= most)) throw wrong(name, `a whole number from ${least} to ${most}`);
  return value;
}

/** `auto` is as many as there are cores, where the database allows more than one. */
function workers(env: Environment, embedded: boolean): number {
  if (env.WORKERS === 'auto') return embedded ? 1 : availableParallelism();
  const count = integer(env, 'WORKERS', 1, 1, 256);
  if (embedded && count > 1) throw wrong('WORKERS', '1 with the embedded database, which has one process; set DATABASE_URL to a PostgreSQL server');
  return count;
}

function flag(env: Environment, name: string, fallback: boolean): boolean {
  const text = env[name];
  if (text === undefined || text === '') return fallback;
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  throw wrong(name, 'true or false');
}

/** `TRUST_PROXY`: false, true (one proxy), how many proxies, or a list of addresses and networks. */
function trustedProxies(env: Environment): TrustedProxies {
  const text = env.TRUST_PROXY?.trim() ?? '';
  if (text === '' || text === 'false') return 0;
  if (text === 'true') return 1;
  if (/^\d$/.test(text)) return Number(text);
  const must = 'false, true (one proxy), the number of proxies up to 9, or a list of addresses and networks such as 10.0.0.0/8, fd00::/8';
  const proxies = new BlockList();
  const items = list(env, 'TRUST_PROXY');
  if (items.length === 0) throw wrong('TRUST_PROXY', must);
  for (const item of items) {
    const [, address = '', bits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(item) ?? [];
    const version = isIP(address);
    const most = version === 4 ? 32 : 128;
    const prefix = bits === undefined ? most : Number(bits);
    if (version === 0 || prefix < 1 || prefix > most) throw wrong('TRUST_PROXY', must);
    proxies.addSubnet(address, prefix, version === 4 ? 'ipv4' : 'ipv6');
  }
  return proxies;
}

function url(name: string, text: string, protocols: readonly string[]): string {
  if (!URL.canParse(text) || !protocols.includes(new URL(text).protocol))
    throw wrong(name, `a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`);
  return text.replace(/\/+$/, '');
}

/** Paths are the server's own, so it stands at the root of a host. */
function publicUrl(text: string): string {
  const checked = url('PUBLIC_URL', text, ['http:', 'https:']);
  if (new URL(checked).origin !== checked) throw wrong('PUBLIC_URL', 'an address without a path, such as https://sfera.example.org');
  return checked;
}

function list(env: Environment, name: string): string[] {
  return (env[name] ?? '').split(',').map((part) => part.trim()).filter((part) => part !== '');
}

function origins(env: Environment): string[] {
  return list(env, 'ALLOWED_ORIGINS').map((text) => {
    const { origin, href } = new URL(url('ALLOWED_ORIGINS', text, ['http:', 'https:']));
    if (href !== `${origin}/`) throw wrong('ALLOWED_ORIGINS', 'origins without a path, such as https://school.example.org, by commas');
    return origin;
  });
}

/** `TRUSTED_ISSUERS` is a JSON array of { issuer, audience, jwksUri }. */
function issuers(env: Environment): TrustedIssuer[] {
  const text = env.TRUSTED_ISSUERS;
  if (text === undefined || text === '') return [];
  const shape = 'a JSON array of objects with the strings issuer, audience and jwksUri';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong('TRUSTED_ISSUERS', shape);
  }
  if (!Array.isArray(value)) throw wrong('TRUSTED_ISSUERS', shape);
  return value.map((item: Partial<TrustedIssuer> | null) => {
    const { issuer, audience, jwksUri } = item ?? {};
    if (typeof issuer !== 'string' || typeof audience !== 'string' || typeof jwksUri !== 'string' || issuer === '' || audience === '')
      throw wrong('TRUSTED_ISSUERS', shape);
    return { issuer, audience, jwksUri: url('TRUSTED_ISSUERS', jwksUri, ['http:', 'https:']) };
  });
}

/** The secret of the settings, or the one kept beside the data, made on the first start. */
function secret(text: string | undefined, dataDir: string): Buffer {
  if (text !== undefined) {
    if (Buffer.byteLength(text) < 32) throw wrong('SECRET_KEY', 'at least 32 bytes long (try: openssl rand -base64 32)');
    return Buffer.from(text);
  }
  const file = join(dataDir, 'secret');
  try {
    if (!existsSync(file)) createSecret(dataDir, file);
    const kept = readFileSync(file);
    if (kept.length < 32) throw new ConfigError(`The secret in ${file} is cut short: put the former one back, or remove the file when the folder has no data yet.`);
    return kept;
  } catch (error) {
    throw folderError(dataDir, error);
  }
}

/** Writes the secret to a temporary file and links it into place, so that two containers that start together read one secret. */
function createSecret(dataDir: string, file: string): void {
  createFolder(dataDir);
  const aside = `${file}.${randomUUID()}`;
  const text = randomBytes(32).toString('base64');
  try {
    writeFileSync(aside, text, { mode: 0o600, flag: 'wx', flush: true });
    try {
      linkSync(aside, file);
    } catch (error) {
      const { code = '' } = error as NodeJS.ErrnoException;
      if (code === 'EEXIST') return;
      // This file system has no hard links.
      if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error;
      writeFileSync(file, text, { mode: 0o600, flag: 'wx', flush: true });
    }
  } finally {
    rmSync(aside, { force: true });
  }
}

/**
 * Every setting, from the environment, checked once.
 * @throws ConfigError with one line that names the variable and what it must be.
 */
export function readConfig(environment: Environment = process.env): Config {
  const { env, warnings, misspelt } = checkedEnvironment(environment);
  const port = integer(env, 'PORT', 4000, 0, 65_535);
  const dataDir = env.DATA_DIR || '.sfera';
  const level = env.LOG_LEVEL || 'info';
  const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'silent'] as const;
  const logLevel = levels.find((known) => known === level);
  if (logLevel === undefined) throw wrong('LOG_LEVEL', `one of ${levels.join(', ')}`);
  const databaseUrl = env.DATABASE_URL || undefined;
  const secretText = env.SECRET_KEY;
  const databasePool = integer(env, 'DATABASE_POOL', 10, 2, 1000);
  if (databaseUrl === undefined && env.DATABASE_POOL !== undefined) warnings.push('DATABASE_POOL has no effect without DATABASE_URL.');
  if (databaseUrl !== undefined && secretText !== undefined && env.DATA_DIR !== undefined) warnings.push('DATA_DIR has no effect with DATABASE_URL and SECRET_KEY.');
  const demo = flag(env, 'DEMO', databaseUrl === undefined);
  if (demo && databaseUrl !== undefined) throw wrong('DEMO', 'false with DATABASE_URL: the demonstration school is made only in the embedded database');
  const metricsToken = env.METRICS_TOKEN || undefined;
  if (metricsToken !== undefined && metricsToken.length < 16) throw wrong('METRICS_TOKEN', 'at least 16 characters long');
  const operationsPerMinute = integer(env, 'OPERATIONS_PER_MINUTE', 6000, 1, 100_000_000);
  const config = {
    port,
    host: env.HOST || '0.0.0.0',
    publicUrl: publicUrl(env.PUBLIC_URL || `http://localhost:${port}`),
    databaseUrl,
    databasePool,
    workers: workers(env, databaseUrl === undefined),
    housekeeping: flag(env, 'HOUSEKEEPING', true),
    dataDir,
    logLevel,
    allowedOrigins: origins(env),
    trustedIssuers: issuers(env),
    trustProxy: trustedProxies(env),
    accessTokenSeconds: integer(env, 'ACCESS_TOKEN_SECONDS', 600, 1, 3600),
    sessionDays: integer(env, 'SESSION_DAYS', 30, 1, 365),
    eventDays: integer(env, 'EVENT_DAYS', 366, 1, 36_500),
    signInTries: integer(env, 'SIGN_IN_TRIES', 10, 1, 1_000_000),
    operationsPerMinute,
    // A lower limit would never admit the most costly operation.
    costPerMinute: integer(env, 'COST_PER_MINUTE', Math.max(operationsPerMinute * 200, 100_000), 100_000, 1_000_000_000_000),
    streamsPerAccount: integer(env, 'STREAMS_PER_ACCOUNT', Math.max(Math.ceil(operationsPerMinute / 20), 300), 1, 100_000_000),
    keepAliveSeconds: integer(env, 'KEEP_ALIVE_SECONDS', 75, 1, 3600),
    stopSeconds: integer(env, 'STOP_SECONDS', 25, 1, 3600),
    stopDelaySeconds: integer(env, 'STOP_DELAY_SECONDS', 0, 0, 600),
    demo,
    metricsToken,
    warnings,
  };
  // Runs before a secret is created, so that a misspelt SECRET_KEY does not leave one behind.
  misspelt();
  return { ...config, secretKey: secret(secretText, dataDir) };
}
