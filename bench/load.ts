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
  /** Duration of the load. Set either `seconds` or `amount`, the number of requests. */
  seconds?: number;
  amount?: number;
  /** Sends from this process, to save the start of a child process. */
  inProcess?: boolean;
}

/** Sends the load and returns responses per second. @throws if a response is a refusal or holds errors. */
export async function sendLoad(load: Load): Promise<number> {
  const { perSecond, error } = await (load.inProcess ? sendWithAutocannon(load) : sendFromChild(load));
  if (error !== null) throw new Error(`${load.url}: ${error}`);
  return perSecond;
}

interface LoadResult {
  perSecond: number;
  error: string | null;
}

function sendFromChild(load: Load): Promise<LoadResult> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    child.once('message', (loadResult: LoadResult) => {
      child.kill();
      resolve(loadResult);
    });
    child.once('error', reject);
    child.send(load);
  });
}

async function sendWithAutocannon({ url, headers, bodies, connections, seconds, amount }: Load): Promise<LoadResult> {
  let nextBody = 0;
  let error: string | null = null;
  const startedAt = performance.now();
  let lastResponseAt = startedAt;
  const result = await autocannon({
    url,
    connections,
    method: 'POST',
    headers,
    // Milliseconds between autocannon's checks whether `amount` is reached.
    sampleInt: 50,
    ...(amount === undefined ? { duration: seconds! } : { amount }),
    requests: [
      {
        setupRequest: (request) => ({ ...request, body: bodies[nextBody++ % bodies.length]! }),
        onResponse(status, body) {
          lastResponseAt = performance.now();
          if (error === null && (status !== 200 || body.includes('"errors":') || body.includes('"Refusal"')))
            error = `${status} ${body.slice(0, 300)}`;
        },
      },
    ],
  });
  if (result.errors > 0) error ??= `${result.errors} requests failed`;
  // With `amount`, divides by the time until the last response. `result.duration` would include the time until
  // autocannon's next check.
  return { perSecond: result.requests.total / (amount === undefined ? result.duration : (lastResponseAt - startedAt) / 1000), error };
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  process.once('message', (load: Load) => void sendWithAutocannon(load).then((answer) => process.send!(answer)));
