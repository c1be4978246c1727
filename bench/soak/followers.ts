import { openSocket, type Client } from '../live/socket.ts';

/** Subscriptions to a school's enrolments that reconnect with their last cursor when the socket breaks. */

const query =
  'subscription S($schoolId: ID!, $after: String) { enrolments(schoolId: $schoolId, after: $after) {' +
  ' ... on EnrolmentChange { cursor class { name } student { fullName } } ... on Checkpoint { checkpoint: cursor } ... on Ended { ended: reason cursor } ... on ResyncRequired { oldest } } }';

const seqOf = (cursor: string): number => Number(Buffer.from(cursor, 'base64url').toString().split(':')[1]);

interface Item {
  cursor?: string;
  class?: object | null;
  student?: object | null;
  checkpoint?: string;
  ended?: string;
  oldest?: string;
}

interface Message {
  type: string;
  payload?: { data?: { enrolments: Item } | null; errors?: readonly { extensions?: { code?: string } }[] } & readonly {
    extensions?: { code?: string };
  }[];
}

export class Follower {
  /** Sequence numbers of the events that arrived, in the order of arrival. */
  readonly seqs: number[] = [];
  /** Messages that must not occur. */
  readonly troubles: string[] = [];
  /** Whether the server sent `Ended`, the last item of a subscription that the server ends. */
  ended = false;
  /** Number of sockets opened so far. */
  sockets = 0;
  /** Sequence number in the first checkpoint, which confirms the subscription. Every later event has to arrive. */
  startedAt: number | undefined;
  readonly #url: string;
  readonly #token: string;
  readonly #schoolId: string;
  #cursor: string | undefined;
  #socket: Client | undefined;
  #closed = false;

  constructor(url: string, token: string, schoolId: string) {
    this.#url = url.replace(/^http/, 'ws');
    this.#token = token;
    this.#schoolId = schoolId;
    this.#open();
  }

  /** Sequence number of the last event or checkpoint. */
  get position(): number {
    return this.#cursor === undefined ? -1 : seqOf(this.#cursor);
  }

  /** Destroys the socket; the follower reconnects. */
  cut(): void {
    this.#socket?.close();
  }

  close(): void {
    this.#closed = true;
    this.cut();
  }

  #open(): void {
    if (this.#closed || this.ended) return;
    this.sockets += 1;
    openSocket(this.#url, '127.0.0.1', {
      open: (socket) => {
        this.#socket = socket;
        socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${this.#token}` } }));
      },
      text: (bytes, start, end) => this.#receive(JSON.parse(bytes.toString('utf8', start, end)) as Message),
      closed: () => {
        this.#socket = undefined;
        setTimeout(() => this.#open(), 200 + Math.random() * 1500);
      },
    });
  }

  #receive({ type, payload }: Message): void {
    if (type === 'connection_ack')
      return this.#socket?.send(
        JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables: { schoolId: this.#schoolId, after: this.#cursor } } }),
      );
    if (type === 'error') {
      for (const { extensions } of payload ?? []) if (!retried.has(extensions?.code ?? '')) this.troubles.push(`error ${extensions?.code}`);
      return this.cut();
    }
    if (type === 'complete') return this.cut();
    if (type !== 'next') return;
    if (payload?.errors !== undefined) this.troubles.push(`next with errors ${JSON.stringify(payload.errors).slice(0, 200)}`);
    const item = payload?.data?.enrolments;
    if (item) this.#handleItem(item);
  }

  #handleItem({ cursor, checkpoint, ended, oldest, ...content }: Item): void {
    if (oldest !== undefined) return void this.troubles.push('ResyncRequired');
    if (ended !== undefined) {
      this.ended = true;
      return;
    }
    this.#cursor = cursor ?? checkpoint ?? this.#cursor;
    if (checkpoint !== undefined) this.startedAt ??= seqOf(checkpoint);
    if (cursor === undefined) return;
    if (!content.class || !content.student) this.troubles.push(`event ${seqOf(cursor)} without its content`);
    this.seqs.push(seqOf(cursor));
  }
}

/** Error codes after which a client reconnects with its cursor. */
const retried = new Set(['UNAVAILABLE', 'RATE_LIMITED', 'UNAUTHENTICATED']);
