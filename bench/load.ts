import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';

/** Requests over kept-alive connections, from a process of its own. */

export interface Load {
  url: string;
  headers: Record<string, string>;
  /** Each is sent once, in turn and from the beginning again. */
  bodies: readonly string[];
  connections: number;
  /** Either so many seconds or so many requests. */
  seconds?: number;
  amount?: number;
  /** From this process instead, which takes less time than to start one. */
  here?: boolean;
}

/** Requests answered in a second. @throws when one was refused or answered with an error. */
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
    // How often it looks whether all is done.
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
  // Until the last answer, not until it looks again.
  return { perSecond: result.requests.total / (amount === undefined ? result.duration : (last - begun) / 1000), wrong };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.once('message', (load: Load) => void shoot(load).then((answer) => process.send!(answer)));
