import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { hashPassword } from '../../src/auth/passwords.ts';
import { fingerprint } from '../../src/auth/seal.ts';
import { admitTry } from '../../src/auth/sign-in-limits.ts';
import { signIn } from '../../src/domain/sessions.ts';
import type { Refusal } from '../../src/errors.ts';
import { contextFor } from '../../src/http/request-context.ts';
import { Browser, openAuthServer, password, type AuthServer, type Seen } from '../support/auth-server.ts';

/** Limits of password attempts, tested through the sign-in page. */

let server: AuthServer;
beforeAll(async () => void (server = await openAuthServer({ TRUST_PROXY: 'true' })));
afterAll(() => server.close());
beforeEach(async () => void (await server.db.prisma.rateLimit.deleteMany()));

let addresses = 0;
const newAddress = () => `198.51.${(addresses += 1) >> 8}.${addresses & 255}`;
const browserAt = (address: string, headers: Record<string, string> = {}) =>
  new Browser(server.url, { 'x-forwarded-for': address, ...headers });

async function signInPage(visitor: Browser): Promise<Seen> {
  const { id, redirectUri } = await server.frontend();
  const query = {
    client_id: id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: 'openid',
    prompt: 'login',
    code_challenge: 'a'.repeat(43),
    code_challenge_method: 'S256',
  };
  return visitor.open(`/oidc/auth?${new URLSearchParams(query).toString()}`);
}

/** Opens a new sign-in page and tries a password. */
async function attempt(visitor: Browser, signInName: string, tried: string): Promise<Seen> {
  return visitor.submit(await signInPage(visitor), { signInName, password: tried });
}

const deviceCookieOf = ({ cookies }: Browser): string => /sfera_device=([^;]*)/.exec(cookies)![1]!;

const isIn = (seen: Seen) => seen.location?.includes('code=') === true;

async function guess(count: number, signInName: string, visitorOf: () => Browser): Promise<number[]> {
  const statuses: number[] = [];
  for (let n = 0; n < count; n++) statuses.push((await attempt(visitorOf(), signInName, `wrong ${n}`)).status);
  return statuses;
}

/** Creates a person, and a browser in which the person has signed in. */
async function known() {
  const [person, browser] = [await server.teacher(), browserAt(newAddress())];
  expect(isIn(await attempt(browser, person.signInName, password))).toBe(true);
  return { person, browser };
}

/** Moves the reset time of every limit this many seconds into the past. */
const pass = (seconds: number) => server.db.pool.query(`update rate_limit set resets_at = resets_at - $1 * interval '1 second'`, [seconds]);

describe('a guesser', () => {
  it('is slowed down with any browser and address, and the owner can sign in from a known browser', async () => {
    const { person, browser } = await known();
    const statuses = await guess(20, person.signInName, () => browserAt(newAddress()));
    expect(statuses).toEqual([...Array<number>(5).fill(422), ...Array<number>(15).fill(429)]);
    expect(isIn(await attempt(browser, person.signInName, password))).toBe(true);
  });

  it('can try at most ten passwords of an account in a quarter of an hour', async () => {
    const person = await server.teacher();
    let looked = 0;
    for (let second = 0; second < 900; second += 45, await pass(45))
      looked += (await guess(1, person.signInName, () => browserAt(newAddress()))).filter((status) => status === 422).length;
    expect(looked).toBeGreaterThanOrEqual(8);
    expect(looked).toBeLessThanOrEqual(10);
  });

  it('is told how long to wait, like the owner in an unknown browser, who can sign in after that time', async () => {
    const person = await server.teacher();
    await guess(6, person.signInName, () => browserAt(newAddress()));
    const owner = browserAt(newAddress());
    const [russian, english] = [
      await attempt(owner, person.signInName, password),
      await attempt(browserAt(newAddress(), { 'accept-language': 'en' }), person.signInName, password),
    ];
    const seconds = Number(russian.headers.get('retry-after'));
    expect(seconds).toBeGreaterThan(100);
    expect(seconds).toBeLessThanOrEqual(180);
    expect([russian.status, /<p class="alert"[^>]*>([^<]*)/.exec(russian.text)?.[1]]).toEqual([
      429,
      `Слишком много попыток. Повторите через ${Math.ceil(seconds / 60)} мин.`,
    ]);
    expect(english.text).toContain(`Too many attempts. Try again in ${Math.ceil(seconds / 60)} min.`);
    await pass(seconds);
    expect(isIn(await attempt(owner, person.signInName, password))).toBe(true);
  });

  it('at a few addresses never takes all tries from the owner in an unknown browser at another address', async () => {
    const [guessers, owner, another] = [[newAddress(), newAddress(), newAddress()], newAddress(), newAddress()];
    const isEvaluated = (address: string) =>
      admitTry(server, { signInName: 'owner', address, device: null }).then(
        (attempt) => attempt,
        ({ code, retryAfterSeconds }: Refusal) => void expect([code, retryAfterSeconds! <= 360]).toEqual(['RATE_LIMITED', true]),
      );
    const wave = async () => {
      let evaluated = 0;
      for (const address of [...guessers, ...guessers]) evaluated += Number((await isEvaluated(address)) !== undefined);
      return evaluated;
    };
    let guesses = 0;
    for (let minute = 0; minute < 45; minute += 3, await pass(180)) guesses += await wave();
    // The guessers get five tries at once, and then one every three minutes.
    expect(guesses).toBeLessThanOrEqual(5 + 14);
    await wave();
    const right = await isEvaluated(owner);
    await right!.succeed();
    await wave();
    // The owner mistypes the first password. The second try has to wait until the account gets another token. The account
    // keeps its last token for addresses with few wrong passwords, so the guessers cannot take it.
    expect([await isEvaluated(another), await isEvaluated(another)]).toEqual([expect.anything(), undefined]);
    await pass(180);
    await wave();
    expect(await isEvaluated(another)).toBeDefined();
  });

  it('at one address gets no more tries concurrently than sequentially', async () => {
    const person = await server.teacher();
    const visitor = browserAt(newAddress());
    const page = await signInPage(visitor);
    const all = await Promise.all(
      Array.from({ length: 20 }, () => visitor.submit(page, { signInName: person.signInName, password: 'wrong' })),
    );
    expect(all.filter(({ status }) => status === 422)).toHaveLength(4);
    expect(isIn(await attempt(browserAt(newAddress()), person.signInName, password))).toBe(true);
  });

  it('cannot find out whether a sign-in name exists', async () => {
    const person = await server.teacher();
    const [real, unknown] = [
      await guess(8, person.signInName, () => browserAt(newAddress())),
      await guess(8, 'nobody.of.this.name', () => browserAt(newAddress())),
    ];
    expect(unknown).toEqual(real);
  });

  it('of unknown names does not block others behind the address, and is slowed down', async () => {
    const { signInName } = await server.teacher();
    const shared = newAddress();
    const visitor = browserAt(shared);
    const page = await signInPage(visitor);
    const all = await Promise.all(
      Array.from({ length: 180 }, (_, n) => visitor.submit(page, { signInName: `nobody${n}`, password: 'wrong' })),
    );
    const looked = all.filter(({ status }) => status === 422).length;
    expect(looked).toBeGreaterThanOrEqual(100);
    expect(looked).toBeLessThan(180);
    for (const { headers } of all.filter(({ status }) => status === 429)) expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(6);
    const neighbour = browserAt(shared);
    await expect.poll(async () => isIn(await attempt(neighbour, signInName, password))).toBe(true);
    const { rows } = await server.db.pool.query<{ key: string }>('select key from rate_limit');
    expect(rows.map(({ key }) => key).join(' ')).not.toMatch(/nobody|198\.51|teacher/);
  });
});

describe('an address past its limit', () => {
  it('writes no row for another name, and an attempt refused for the account does not count for the address', async () => {
    const ctx = { db: server.db, config: server.config, log: server.log };
    const address = newAddress();
    const full = { burst: server.config.signInTries * 10, intervalSeconds: 1 };
    await admitTry(ctx, { signInName: 'somebody', address, device: null });
    const { key } = await server.db.prisma.rateLimit.findFirstOrThrow({
      where: { key: fingerprint(server.config.secretKey, 'sign-in address', address) },
    });
    for (let n = 0; n < 3; n++) await admitTry(ctx, { signInName: 'somebody', address, device: null });
    const until = async () => (await server.db.prisma.rateLimit.findUniqueOrThrow({ where: { key } })).resetsAt;
    const before = await until();
    await expect(admitTry(ctx, { signInName: 'somebody', address, device: null })).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(await until()).toEqual(before);
    await server.db.pool.query(`update rate_limit set resets_at = now() + $2 * interval '1 second' where key = $1`, [key, full.burst + 60]);
    const rows = await server.db.prisma.rateLimit.count();
    for (let n = 0; n < 20; n++)
      await expect(admitTry(ctx, { signInName: `nobody${n}`, address, device: null })).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(await server.db.prisma.rateLimit.count()).toBe(rows);
  });
});

describe('a database that fails in between', () => {
  const failing = (statement: RegExp) => {
    const { pool } = server.db;
    const query = pool.query.bind(pool) as (...args: unknown[]) => Promise<unknown>;
    return vi
      .spyOn(pool, 'query')
      .mockImplementation((...args: unknown[]): unknown =>
        statement.test(String(args[0])) ? Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })) : query(...args),
      );
  };
  const ctxAt = (address: string) => contextFor(server, { kind: 'anonymous' }, { acceptLanguage: null, requestId: null, address });

  it('after a correct password does not turn the success into a failure', async () => {
    const [person, { browser, person: other }] = [await server.teacher(), await known()];
    const deviceCookie = deviceCookieOf(browser);
    const spy = failing(/^(update|delete from) rate_limit/);
    const signIns = await Promise.all([
      signIn(ctxAt(newAddress()), { signInName: person.signInName, password }),
      signIn(ctxAt(newAddress()), { signInName: other.signInName, password, deviceCookie }),
    ]);
    const failed = spy.mock.calls.filter(([text]) => /^(update|delete from) rate_limit/.test(String(text)));
    spy.mockRestore();
    expect(signIns).toMatchObject([{ userId: person.id }, { userId: other.id }]);
    // A sign-in in an unknown browser gives back three things: the token of the account, the token of the address, and the
    // try that was counted for this account and address. A sign-in in a known browser resets the count of its device.
    expect(failed).toHaveLength(4);
  });

  it('gives back the token of the address when the account’s cannot be taken', async () => {
    const address = newAddress();
    let inserts = 0;
    const spy = failing({ test: (text: string) => text.startsWith('insert into rate_limit') && (inserts += 1) === 3 } as RegExp);
    await expect(signIn(ctxAt(address), { signInName: 'somebody', password })).rejects.toThrow('refused');
    spy.mockRestore();
    const { resetsAt } = await server.db.prisma.rateLimit.findUniqueOrThrow({
      where: { key: fingerprint(server.config.secretKey, 'sign-in address', address) },
    });
    expect(resetsAt.getTime()).toBeLessThanOrEqual(Date.now());
  });
});

describe('correct passwords', () => {
  it('are not counted, from any number of browsers', async () => {
    const person = await server.teacher();
    for (let n = 0; n < 12; n++) expect(isIn(await attempt(browserAt(newAddress()), person.signInName, password))).toBe(true);
  });
});

describe('a browser that is known', () => {
  it('has ten tries of its own; after that it and its cookie count as unknown', async () => {
    const { person, browser } = await known();
    const statuses = await guess(14, person.signInName, () => browser);
    expect(statuses).toEqual(Array(14).fill(422));
    expect(await guess(1, person.signInName, () => browser)).toEqual([429]);
    await pass(24 * 3600);
    // The browser gets four tries, like an unknown browser, and not the ten tries of a known one.
    expect(await guess(5, person.signInName, () => browser)).toEqual([422, 422, 422, 422, 429]);
    await pass(180);
    expect(isIn(await attempt(browser, person.signInName, password))).toBe(true);
    await guess(6, person.signInName, () => browserAt(newAddress()));
    expect(isIn(await attempt(browser, person.signInName, password))).toBe(true);
  });

  it('gets all its tries back with the correct password', async () => {
    const { person, browser } = await known();
    for (let round = 0; round < 2; round++) {
      expect(await guess(9, person.signInName, () => browser)).toEqual(Array(9).fill(422));
      expect(isIn(await attempt(browser, person.signInName, password))).toBe(true);
    }
  });

  it('does not count as known for other accounts or after a change of the password', async () => {
    const { person, browser } = await known();
    const other = await server.teacher();
    expect(await guess(5, other.signInName, () => browser)).toEqual([422, 422, 422, 422, 429]);
    await server.db.prisma.user.update({ where: { id: person.id }, data: { passwordHash: await hashPassword('новый пароль 8') } });
    expect(await guess(5, person.signInName, () => browser)).toEqual([422, 422, 422, 422, 429]);
  });

  it('cannot be forged with a self-made cookie', async () => {
    const { person, browser } = await known();
    const cookie = deviceCookieOf(browser);
    const flipped = `${cookie.slice(0, -2)}${cookie.at(-2) === 'A' ? 'B' : 'A'}${cookie.at(-1)}`;
    await guess(5, person.signInName, () => browserAt(newAddress()));
    for (const forged of ['', 'x', flipped, `${'A'.repeat(43)}`, Array(100).fill('A'.repeat(43)).join('.')]) {
      const visitor = browserAt(newAddress());
      visitor.setCookie('sfera_device', forged);
      expect((await attempt(visitor, person.signInName, password)).status).toBe(429);
    }
  });

  it('remembers the last ten people of a shared computer without naming them', async () => {
    const people = [];
    let cookie = '';
    // Opens a browser that has only the device cookie, as after the sessions of earlier users have ended.
    const shared = () => {
      const visitor = browserAt(newAddress());
      visitor.setCookie('sfera_device', cookie);
      return visitor;
    };
    for (let n = 0; n < 11; n++) {
      const visitor = shared();
      people.push(await server.teacher());
      expect(isIn(await attempt(visitor, people[n]!.signInName, password))).toBe(true);
      cookie = deviceCookieOf(visitor);
    }
    expect(cookie.split('.')).toHaveLength(10);
    for (const { signInName, id } of people) expect(cookie).not.toMatch(new RegExp(`${signInName}|${id}`));
    for (const [n, status] of [
      [0, 429],
      [1, 422],
      [10, 422],
    ] as const) {
      await guess(5, people[n]!.signInName, () => browserAt(newAddress()));
      expect(await guess(1, people[n]!.signInName, shared)).toEqual([status]);
    }
  });

  it('keeps the cookie from scripts, other sites and plain http, for a year', async () => {
    const secure = await openAuthServer({ PUBLIC_URL: 'https://school.example' });
    const [{ school }, person] = [await secure.build.school(), await secure.teacher()];
    const { code } = await secure.build.invitation({ schoolId: school.id });
    const opened = await fetch(`${secure.listening}/join/${code}?account=yes`);
    const [cookie] = opened.headers.getSetCookie();
    const form = /name="form" value="([^"]*)"/.exec(await opened.text())![1]!;
    const accepted = await fetch(opened.url, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie: cookie!.split(';')[0]! },
      body: new URLSearchParams({ form, signInName: person.signInName, password }),
    });
    const device = accepted.headers.getSetCookie().find((line) => line.startsWith('sfera_device='));
    expect(device).toMatch(/; Path=\/; HttpOnly; SameSite=Lax; Max-Age=31536000; Secure$/);
    await secure.close();
  });
});

describe('the page of a link', () => {
  it('opens for a correct code after many wrong ones from the address, which are told how long to wait', async () => {
    const { school } = await server.build.school();
    const { code } = await server.build.invitation({ schoolId: school.id });
    const visitor = browserAt(newAddress());
    const statuses: number[] = [];
    let last: Seen | undefined;
    for (let n = 0; n < 22; n++) statuses.push((last = await visitor.open(`/join/wrong${n}`)).status);
    expect(statuses).toEqual([...Array<number>(20).fill(404), 429, 429]);
    expect(Number(last!.headers.get('retry-after'))).toBeGreaterThan(800);
    expect(last!.text).toMatch(/Повторите через 1[45] мин\./);
    expect((await visitor.open(`/join/${code}`)).status).toBe(200);
  });
});
