import { createServer } from 'node:http';
import { WebSocketServer, type WebSocket } from 'ws';
import { handleControl, topicOf } from './live.ts';

/**
 * The minimal program with which the measures of subscriptions compare our server: `ws` sends prepared bytes. It
 * implements only the part of the protocol that the listeners use. The variable `bytes` of a subscription sets the
 * message length. The benchmark sets it to the length of our server's messages.
 */

type Message = { type: string; payload?: { variables: { schoolId: string; classId?: string; bytes: number } } };

/** Sockets by topic and message length. */
const topics = new Map<string, Map<number, Set<WebSocket>>>();
let subscribers = 0;

function subscribe(socket: WebSocket, { bytes, ...args }: { schoolId: string; classId?: string; bytes: number }): void {
  const topic = topicOf(args);
  const lengths = topics.get(topic) ?? new Map<number, Set<WebSocket>>();
  topics.set(topic, lengths);
  const sockets = lengths.get(bytes) ?? new Set();
  lengths.set(bytes, sockets.add(socket));
  subscribers += 1;
  socket.once('close', () => {
    sockets.delete(socket);
    subscribers -= 1;
  });
}

/** Builds a message of this length. The cursor is at the same place as in the messages of the other servers. */
function buildMessage(cursor: string, bytes: number): Buffer {
  const head = `{"id":"00000000-0000-0000-0000-000000000000","type":"next","payload":{"data":{"enrolments":{"cursor":"${cursor}"`;
  return Buffer.from(`${head.padEnd(bytes - 4)}}}}}`);
}

function publish(topicNames: readonly string[], { cursor }: { cursor: string }): void {
  const messages = new Map<number, Buffer>();
  for (const name of topicNames)
    for (const [bytes, sockets] of topics.get(name) ?? []) {
      const message = messages.get(bytes) ?? buildMessage(cursor, bytes);
      messages.set(bytes, message);
      for (const socket of sockets) socket.send(message, { binary: false });
    }
}

const control = { publish, subscribers: () => subscribers };
const server = createServer((req, res) => void handleControl(req, res, control));
const sockets = new WebSocketServer({ server, path: '/graphql', perMessageDeflate: false });
sockets.on('connection', (socket) => {
  socket.on('message', (data) => {
    const { type, payload } = JSON.parse((data as Buffer).toString()) as Message;
    if (type === 'connection_init') socket.send('{"type":"connection_ack"}');
    else if (type === 'subscribe') subscribe(socket, payload!.variables);
  });
});
server.listen(Number(process.env.PORT), () => process.send?.({ ready: true }));
