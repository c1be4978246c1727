import { setTimeout as pause } from 'node:timers/promises';
import { ask, operation, type Reply } from './requests.ts';

/** A child process that sends a small query twenty times a second and reports each latency to its parent. */

export interface ProbeOrder {
  url: string;
  token: string;
  classId: string;
}

export interface ProbeReply extends Pick<Reply, 'status' | 'ms'> {
  /** Milliseconds since 1970. */
  at: number;
  code: string | undefined;
}

process.once('message', async ({ url, token, classId }: ProbeOrder) => {
  const body = operation('query Small($id: ID!) { node(id: $id) { ... on Class { name grade letter } } }', { id: classId });
  for (;;) {
    const at = Date.now();
    void ask({ url, token, body }).then(({ status, ms, body: text }) =>
      process.send!({ at, status, ms, code: /"code":"(\w+)"/.exec(text)?.[1] } satisfies ProbeReply),
    );
    await pause(50);
  }
});
process.once('disconnect', () => process.exit(0));
