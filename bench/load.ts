import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';

/** HTTP load over keep-alive connections, sent with autocannon from a child process. */

export interface Load {
  url: string;
  headers: Record<string, string>;
  /** Request bodies, sent round-robin. */
  bodies: readonly string[];
  connections: number;
  /** How long to send; set either `seconds` or `amount`. */
  seconds?: number;
  amount?: number;
  /** Sends from this process instead, which saves starting a child process. */
  here?: boolean;
}

/** Sends the load and returns responses per second. @throws if a response is a refusal or holds errors. */
export async function fire(load: Load): Promise<number> {
  const { perSecond, wrong } = await (load.here ? shoot(load) : shootApart(load));
  if (wrong !== null) throw new Error(`${load.url}: ${wrong}`);
  return perSecond;
}

interface Shot {
  perSecond: number;
  wrong: string | null;
}

function shootApart(load: Load): Promise<Shot> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.once('message', (shot: Shot) => {
      child.kill();
      resolve(shot);
    });
    child.once('error', reject);
    child.send(load);
  });
}

async function shoot({ url, headers, bodies, connections, seconds, amount }: Load): Promise<Shot> {
  let next = 0;
  let wrong: string | null = null;
  const begun = performance.now();
  let last = begun;
  const result = await autocannon({
    url, connections, method: 'POST', headers,
    // Milliseconds between autocannon's checks whether `amount` is reached.
    sampleInt: 50,
    ...(amount === undefined ? { duration: seconds! } : { amount }),
    requests: [{
      setupRequest: (request) => ({ ...request, body: bodies[next++ % bodies.length]! }),
      onResponse(status, body) {
        last = performance.now();
        if (wrong === null && (status !== 200 || body.includes('"errors":') || body.includes('"Refusal"'))) wrong = `${status} ${body.slice(0, 300)}`;
      },
    }],
  });
  if (result.errors > 0) wrong ??= `${result.errors} requests failed`;
  // With `amount`, divide by the time until the last response, not until autocannon's next check.
  return { perSecond: result.requests.total / (amount === undefined ? result.duration : (last - begun) / 1000), wrong };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.once('message', (load: Load) => void shoot(load).then((answer) => process.send!(answer)));
