import { catalog, eventTypes } from '../src/events/catalog.ts';
import { maxRightsAgeMs } from '../src/events/live/rights-cache.ts';
import { columns, type Column } from '../src/policy/actor.ts';
import { actions, openActions, permissions, scopes } from '../src/policy/permissions.ts';
import type { Topic } from '../src/policy/recipients.ts';
import { markdownTable } from './generated-files.ts';

/** Prints docs/policy.md and docs/events.md from the policy table and the event catalogue. */

const columnDescriptions: Record<Column, string> = {
  administrator: 'PLATFORM_ADMINISTRATOR of the school',
  leadership: 'SCHOOL_ADMINISTRATION of the school: head and deputies',
  classTeacher: 'TEACHER, in the classes where they are the class teacher',
  subjectTeacher: 'TEACHER, in the classes and subjects that they teach',
  student: 'STUDENT, in the class where they are enrolled',
  service: "an integration's client, with the scopes it was given",
};

type TopicKind = Topic extends `${infer Kind}:${string}` ? Kind : never;

const topicDescriptions: Record<TopicKind, string> = {
  school: 'the administrators and the leadership of the school, and its service clients with scope `events`',
  staff: 'everyone who works in the school',
  class: 'the class teacher, the subject teachers and the pupils of the class',
  chat: 'the members of the chat',
  user: 'the person, on all their devices',
};

const source = (path: string) => `<!-- Printed from ${path} by \`npm run generate\`; not edited by hand. -->`;

/** Returns the text of docs/policy.md. */
export function printPolicy(): string {
  const rights = actions.map((action) => {
    const { on, clause, cells } = permissions[action];
    return [
      `\`${action}\``,
      on,
      `[${clause}](regulation.md#${clause.replace(/[. ]/g, '-')})`,
      ...columns.map((column) => cells[column].join(' / ') || '-'),
    ];
  });
  return (
    [
      source('src/policy/permissions.ts'),
      '# Who may do what',
      'Each row is an action: the mutation `createChat` is the action `chat.create`. The second column is the type of object that the action is checked on. The other ' +
        'columns contain the scopes in which the action is allowed: a scope, several scopes of which one is enough, or `-` for never. A person may belong to several columns. ' +
        'Columns do not add up: a single column has to allow the whole action. Clauses are those of [the regulation](regulation.md). If the viewer may not see the object, the ' +
        'code is NOT_FOUND; if the viewer may see it but not perform the action, the code is FORBIDDEN.',
      markdownTable(['action', 'checked on', 'clause', ...columns], rights),
      `Allowed for everyone who has the link or the credential: ${openActions.map((action) => `\`${action}\``).join(', ')}.`,
      '## Columns',
      markdownTable(
        ['column', 'actors'],
        columns.map((column) => [column, columnDescriptions[column]]),
      ),
      '## Scopes',
      markdownTable(
        ['checked on', 'scope', 'description'],
        Object.entries(scopes).flatMap(([noun, of]) =>
          Object.entries<{ description: string }>(of).map(([scope, { description }]) => [noun, scope, description]),
        ),
      ),
    ].join('\n\n') + '\n'
  );
}

/**
 * Returns an example payload for the topics of docs/events.md. The value of an id is its name in angle brackets, so a
 * topic prints as a pattern, such as `school:<schoolId>`.
 */
const placeholders = (names: readonly string[]) => Object.fromEntries(['schoolId', ...names].map((name) => [name, `<${name}>`]));

/** Returns the text of docs/events.md. */
export function printEvents(): string {
  const rows = eventTypes.map((type) => {
    const { description, payload, topics } = catalog[type];
    const names = (topics as (payload: Record<string, string>) => string[])(placeholders(payload));
    return [`\`${type}\``, description, ['schoolId', ...payload].join(', '), names.map((topic) => `\`${topic}\``).join(' ')];
  });
  return (
    [
      source('src/events/catalog.ts'),
      '# Events and who receives them',
      'Every change records its event in the same transaction. An event contains ids but no names. It is published on the topics in the last column. A subscriber gets the event ' +
        'once if the rights at that moment allow one of these topics. A subscriber without a role or scope in the school gets no events of it.',
      markdownTable(['event', 'description', 'payload', 'topics'], rows),
      '## Topics',
      markdownTable(
        ['topic', 'recipients'],
        Object.entries(topicDescriptions).map(([topic, recipients]) => [`\`${topic}:\``, recipients]),
      ),
      '## When a right is lost',
      'After the process that commits a loss of rights has answered the change, it sends nothing more by those rights, not even older events to a stream that is catching up. ' +
        `Another process may use a lost right for at most ${maxRightsAgeMs} ms plus the time of one database read. For a stream that is catching up, and for a service, ` +
        'whose rights are not in the log, it reads rights again if they are older than that. For all other streams it reads the log, which records every loss. It checks ' +
        'the rights before an event is executed and again before the result is sent. The time of the bytes on the network is added to that. ' +
        'Events that were committed before the loss may be left out; `Ended` contains the cursor to resume from.',
      '## When an event cannot be read',
      'If executing an event fails, and the cause is neither a refusal nor an error in the document, the server tries again, up to three times within six seconds. Then the stream ends before ' +
        'this event with the error `UNAVAILABLE`: on a socket as an `error` message of the operation, in an event stream as a last event that contains only `errors`. Subscribe again ' +
        'with the last cursor: no event is skipped or repeated. `null` in an event always means that you may not see the value.',
      ...sockets,
    ].join('\n\n') + '\n'
  );
}

/**
 * The end of docs/events.md, for clients that use WebSockets. If the described behaviour changes,
 * test/http/websocket/server/token-life.test.ts or test/http/websocket/server/limits.test.ts fails.
 */
const sockets = [
  '## Sockets and tokens',
  'A socket belongs to the token that its client sent with `connection_init`: in `connectionParams` as `authorization`, `token`, `authToken`, `accessToken` or `access_token` (case-insensitive, ' +
    'with or without `Bearer`, at the top level or in `headers`), or in the `Authorization` header of the upgrade request. Give `connectionParams` as a function, so that each connection uses ' +
    'a token that is valid at that moment. The clock of the server decides whether a token has expired.',
  markdownTable(
    ['what happens', 'what the server does', 'what graphql-ws does'],
    [
      ['no token, an invalid token, an ended session, a deactivated account, a removed service client', '`4401 Unauthorized`', 'gives up'],
      [
        'the token expired before `connection_init`',
        '`4403 Token expired`',
        'reconnects with the token that `connectionParams` then returns; with a token that never changes it gives up after `retryAttempts`',
      ],
      [
        'the token expires while no operation is running',
        '`4403 Token expired`, within a second',
        'reconnects as soon as it has something to send; at once with `lazy: false`',
      ],
      [
        'the token expires while streams are open',
        'each ends with `Ended { reason: TOKEN_EXPIRED }` and `complete`; then `4403 Token expired`',
        'does not subscribe again by itself after `complete`: subscribe with the last cursor as `after`',
      ],
      [
        'the token expires while a query or a mutation is running',
        'it is answered, within 5 seconds; then `4403 Token expired`',
        'reconnects',
      ],
      ['an operation is sent after the token expired', 'it is not answered; `4403 Token expired`', 'reconnects and sends it again'],
      [
        'the session or the account ends',
        'streams end with `Ended`; the socket is closed with `4401 Unauthorized`, within 31 seconds',
        'gives up',
      ],
      [
        'a role or a class is lost',
        'the streams that depended on it end with `Ended`; the socket stays open',
        'subscribes again only if your program does so',
      ],
      ['the server restarts', '`1012 Service restart`, without `Ended` or `complete`', 'reconnects and subscribes again'],
      ['the client reads none of the sent bytes for 15 seconds', '`1013`, or the connection is cut', 'reconnects and subscribes again'],
      ['the account has sent too many operations, or the database does not answer', '`1013`, with the code as the reason', 'reconnects'],
      [
        'the client does not send `connection_init` within 5 seconds, or its address has over 100 sockets that have not sent it',
        '`4408 Connection initialisation timeout`',
        'reconnects',
      ],
      ['the account has `STREAMS_PER_ACCOUNT` sockets', '`4429 Too many sockets`', 'gives up'],
      [
        'the account has `STREAMS_PER_ACCOUNT` streams, on sockets and over SSE',
        '`error` with `TOO_MANY_STREAMS`; over SSE status 429',
        'reports it to the subscription',
      ],
      ['a socket has 50 operations', '`error` with `TOO_MANY_OPERATIONS`', 'reports it to the subscription'],
      [
        'the account has used up its operations or its cost of this minute',
        '`error` or `next` with `RATE_LIMITED` and `retryAfter`; a stream then ends before the event; resuming from its last cursor delivers the event',
        'reports it to the subscription',
      ],
    ],
  ),
  'When graphql-ws reconnects, it sends every open subscription again with the same variables. With the first `after`, the events since then are repeated; without `after`, the events of the ' +
    'meantime are missing. graphql-ws reads the variables when it sends them, so a program that writes the last cursor into the same object neither loses nor repeats an event:',
  `\`\`\`js
const client = createClient({ url, connectionParams: async () => ({ authorization: await freshToken() }) });
const variables = { schoolId };
const follow = () =>
  client.subscribe({ query, variables }, {
    next({ data }) {
      const item = data.enrolments;
      variables.after = item.cursor ?? variables.after;
      if (item.reason === 'TOKEN_EXPIRED') follow();
    },
    error: report,
    complete() {},
  });
\`\`\``,
  'To renew a token before it expires, call `client.terminate()`: it closes the socket, and the client reconnects with a new token and its cursor. urql and Apollo use this client; pass `createClient` ' +
    'to their wrappers. A client of your own should reconnect after every close code except 4400, 4401, 4406, 4409, 4429 and 4500, with its last cursor and a valid token.',
  '## Limits of an account',
  'Each process counts separately. While an operation runs, it costs as many objects as its pages could contain. When it is answered, it costs one object per 100 bytes of the response, and at least a ' +
    'twentieth of the estimate. A mutation costs 50 objects more. A stream item that is executed for one subscriber costs its bytes; an item that is executed once for several subscribers costs nothing. In any 60 seconds an account has ' +
    '`OPERATIONS_PER_MINUTE` operations and `COST_PER_MINUTE` objects. 20 of its operations run at once, one of them with a cost of 5,000 objects or more (two in the whole process), and 400 more wait, for at most 15 seconds. Any operation beyond these limits is ' +
    'refused with `RATE_LIMITED`, status 429, and the seconds to wait; one that waited too long gets `UNAVAILABLE`. Requests without a token count for their network address.',
];
