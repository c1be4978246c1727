import { Agent, request } from 'node:http';

/** Requests of the soak, and what the server answered to them. */

export interface Reply {
  status: number;
  body: string;
  ms: number;
}

export interface Ask {
  url: string;
  token?: string;
  headers?: Record<string, string>;
  method?: string;
  body?: string | Buffer;
}

const agent = new Agent({ keepAlive: true, maxSockets: 200 });

/** Sends a request; status 0 stands for a connection that broke or did not answer within 60 s. */
export function ask({ url, token, headers = {}, method = 'POST', body }: Ask): Promise<Reply> {
  const begun = performance.now();
  return new Promise((resolve) => {
    const reply = (status: number, text: string): void => resolve({ status, body: text, ms: performance.now() - begun });
    const sent = request(
      url,
      { agent, method, headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers } },
      (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('end', () => reply(response.statusCode ?? 0, Buffer.concat(parts).toString()));
        response.on('error', () => reply(0, ''));
      },
    );
    sent.setTimeout(60_000, () => sent.destroy());
    sent.on('error', (error) => reply(0, error.message));
    sent.end(body);
  });
}

export const operation = (query: string, variables: object = {}): string => JSON.stringify({ query, variables });

/** Counts replies by what they are; keeps the bodies of those that no client may be given. */
export class Tally {
  readonly counts: Record<string, number> = {};
  /** 5xx but 503, which says that the server cannot answer now: UNAVAILABLE, a page, or temporarily_unavailable of OAuth. */
  readonly wrong: string[] = [];

  add(kind: string, { status, body }: Reply): void {
    const code = /"code":"(\w+)"/.exec(body)?.[1] ?? '';
    const name = `${kind} ${status} ${code}`.trim();
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    if ((status >= 500 && status !== 503) || body.includes('"INTERNAL"')) this.wrong.push(`${name}: ${body.slice(0, 300)}`);
  }
}
