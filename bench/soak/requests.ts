import { Agent, request } from 'node:http';

/** HTTP requests of the soak, and the tally of their responses. */

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

/** Sends a request. Status 0 means that the connection broke or had no response within 60 s. */
export function ask({ url, token, headers = {}, method = 'POST', body }: Ask): Promise<Reply> {
  const begun = performance.now();
  return new Promise((resolve) => {
    const reply = (status: number, text: string): void => resolve({ status, body: text, ms: performance.now() - begun });
    const sent = request(
      url,
      {
        agent,
        method,
        headers: { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
      },
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

/** Counts responses by kind, status and code; keeps the bodies of responses that must not occur. */
export class Tally {
  readonly counts: Record<string, number> = {};
  /**
   * Bodies of responses with an `INTERNAL` error, or with a 5xx status except 503. Status 503 may occur: the error
   * UNAVAILABLE, the HTML page for this error, or the OAuth error `temporarily_unavailable`.
   */
  readonly wrong: string[] = [];

  add(kind: string, { status, body }: Reply): void {
    const code = /"code":"(\w+)"/.exec(body)?.[1] ?? '';
    const name = `${kind} ${status} ${code}`.trim();
    this.counts[name] = (this.counts[name] ?? 0) + 1;
    if ((status >= 500 && status !== 503) || body.includes('"INTERNAL"')) this.wrong.push(`${name}: ${body.slice(0, 300)}`);
  }
}
