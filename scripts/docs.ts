import { catalog, eventTypes } from '../src/events/catalog.ts';
import { maxRightsAgeMs } from '../src/events/live/rights-cache.ts';
import { columns, type Column } from '../src/policy/actor.ts';
import type { Noun, ScopeOf } from '../src/policy/scopes.ts';
import { actions, openActions, permissions } from '../src/policy/permissions.ts';
import type { Topic } from '../src/policy/topics.ts';
import { markdownTable, writeGenerated } from './generated-files.ts';

/** Prints docs/policy.md and docs/events.md from the policy table and the event catalogue; --check compares. */

const columnDescriptions: Record<Column, string> = {
  administrator: 'PLATFORM_ADMINISTRATOR of the school',
  leadership: 'SCHOOL_ADMINISTRATION of the school: head and deputies',
  classTeacher: 'TEACHER, in the classes where they are the class teacher',
  subjectTeacher: 'TEACHER, in the classes and subjects that they teach',
  student: 'STUDENT, in the class where they are enrolled',
  service: "an integration's client, with the scopes it was given",
};

/** Describes what each scope covers; TypeScript requires a text for every scope. */
const scopeDescriptions: { [N in Noun]: Record<ScopeOf<N>, string> } = {
  school: {
    school: 'the schools where one stands in the column',
    read: "the client's school, with scope `read`",
    events: "the client's school, with scope `events`",
  },
  class: {
    school: 'any class of the school',
    read: "any class of the client's school, with scope `read`",
    roster: "any class of the client's school, with scope `roster`",
    class: "the class teacher's own classes, a subject teacher's taught ones, a pupil's one class",
  },
  subject: { school: 'any subject of the school', read: "any subject of the client's school, with scope `read`" },
  user: {
    school: 'anyone who has or had a role in the school',
    read: "anyone who has or had a role in the client's school, with scope `read`",
    staff: 'those who now work in the school',
    class: 'pupils and teachers of the classes, the former ones too',
    classmates: 'those who are now in the class: its pupils and teachers',
    chatmates: 'those one shares a chat with',
    own: 'oneself',
  },
  role: { school: 'any role in the school', read: "any role in the client's school, with scope `read`", own: "one's own roles" },
  enrolment: {
    school: 'any enrolment of the school',
    read: "any enrolment of the client's school, with scope `read`",
    class: 'enrolments of the classes, the ended ones too',
    classmates: 'current enrolments of the class',
    own: "one's own",
  },
  invitation: {
    school: 'any invitation of the school',
    held: "invitations handed over to one; a link for pupils only while the class is one's own",
  },
  chat: {
    school: 'any chat of the school',
    read: "any chat of the client's school, with scope `read`",
    schoolWide: 'chats of kind SCHOOL',
    educational: 'chats of kinds STAFF, CLASS, SUBJECT and EXTRACURRICULAR',
    ofClass: 'chats of kind CLASS of the classes where one is the class teacher',
    ofSubject: 'chats of kind SUBJECT of the classes and subjects that one teaches',
    member: 'chats that one is in',
    moderated: 'chats where one is the owner or a moderator',
  },
  session: { own: "one's own sign-ins" },
  event: { school: 'the log of the school', events: "the log of the client's school, with scope `events`" },
};

type TopicKind = Topic extends `${infer Kind}:${string}` ? Kind : never;

const topicDescriptions: Record<TopicKind, string> = {
  school: 'the administrators and the leadership of the school, and its service clients with scope `events`',
  staff: 'everyone who works in the school',
  class: 'the class teacher, the subject teachers and the pupils of the class',
  chat: 'the members of the chat',
  user: 'the person, on all their devices',
};

const source = (path: string) => `<!-- Printed from ${path} by \`npm run docs\`; not edited by hand. -->`;

function policy(): string {
  const nouns = Object.entries(scopeDescriptions);
  const rights = actions.map((action) => {
    const { on, clause, cells } = permissions[action];
    return [`\`${action}\``, on, `[${clause}](regulation.md#${clause.replace(/[. ]/g, '-')})`, ...columns.map((column) => cells[column].join(' / ') || '-')];
  });
  return [
    source('src/policy/permissions.ts'),
    '# Who may do what',
    'Each row is an action: the mutation `createChat` is the action `chat.create`. The second column is the type of object that the action is checked on. The other '
    + 'columns contain the scopes in which the action is allowed: a scope, several scopes of which one is enough, or `-` for never. A person may belong to several columns. '
    + 'Columns do not add up: a single column has to allow the whole action. Clauses are those of [the regulation](regulation.md). If the viewer may not see the object, the '
    + 'code is NOT_FOUND; if the viewer may see it but not perform the action, the code is FORBIDDEN.',
    markdownTable(['action', 'asked on', 'clause', ...columns], rights),
    `Allowed for everyone who has the link or the credential: ${openActions.map((action) => `\`${action}\``).join(', ')}.`,
    '## Columns',
    markdownTable(['column', 'who'], columns.map((column) => [column, columnDescriptions[column]])),
    '## Scopes',
    markdownTable(['asked on', 'scope', 'reaches'], nouns.flatMap(([noun, means]) => Object.entries(means).map(([scope, reach]) => [noun, scope, reach]))),
  ].join('\n\n') + '\n';
}

/** Returns a payload whose ids are their names in angle brackets, so that topics print as patterns. */
const placeholders = (names: readonly string[]) => Object.fromEntries(['schoolId', ...names].map((name) => [name, `<${name}>`]));

function events(): string {
  const rows = eventTypes.map((type) => {
    const { description, payload, topics } = catalog[type];
    const names = (topics as (payload: Record<string, string>) => string[])(placeholders(payload));
    return [`\`${type}\``, description, ['schoolId', ...payload].join(', '), names.map((topic) => `\`${topic}\``).join(' ')];
  });
  return [
    source('src/events/catalog.ts'),
    '# Events and who receives them',
    'Every change records its event in the same transaction. An event contains ids but no names. It is published on the topics in the last column. A subscriber gets the event '
    + 'once if the rights at that moment allow one of these topics. A subscriber without a role or scope in the school gets no events of it.',
    markdownTable(['event', 'meaning', 'carries', 'told on'], rows),
    '## Topics',
    markdownTable(['topic', 'heard by'], Object.entries(topicDescriptions).map(([topic, who]) => [`\`${topic}:\``, who])),
    '## When a right is lost',
    'Once the process that commits a loss of rights has answered the change, it sends nothing more by those rights, not even older events to a stream that is catching up. '
    + `Another process may use a lost right for ${maxRightsAgeMs} ms and the time of one read of the database, at most. For a stream that is catching up, and for a service, `
    + 'whose rights are not in the log, it reads rights again if they are older than that; for all other streams it reads the log, which records every loss. It checks '
    + 'before an event is executed and again before the result is sent. The time that bytes take '
    + 'on the network comes on top. Events that were committed before the loss may be left out; `Ended` carries the cursor to come back with.',
    '## When an event cannot be read',
    'If the result of an event fails by anything but a refusal or a mistake in the document, the server tries again, up to three times within six seconds. Then the stream ends before '
    + 'this event with the error `UNAVAILABLE`: on a socket by the message `error` of the operation, in an event stream by a last event that holds only `errors`. Subscribe again '
    + 'with the last cursor: no event is skipped or repeated. `null` in an event always means that you may not see the value.',
    ...sockets,
  ].join('\n\n') + '\n';
}

/**
 * The section for clients of sockets. If the behaviour changes, test/http/websocket/token-life.test.ts and
 * test/http/websocket/socket-limits.test.ts fail.
 */
const sockets = [
  '## Sockets and tokens',
  'A socket belongs to the token that its client sent with `connection_init`: in `connectionParams` as `authorization`, `token`, `authToken`, `accessToken` or `access_token`, in any case '
  + 'of letters, with or without `Bearer`, there or in `headers`; or in the header `Authorization` of the upgrade. Give `connectionParams` as a function, so that each connection asks for '
  + 'the token that is valid then. Whether a token has expired is decided by the clock of the server.',
  markdownTable(['what happens', 'what the server does', 'what graphql-ws does'], [
    ['no token, an invalid token, an ended session, a deactivated account, a service client that was removed', '`4401 Unauthorized`', 'gives up'],
    ['the token has expired before `connection_init`', '`4403 Token expired`', 'comes back with the token that `connectionParams` returns then; with a token that never changes it gives up after `retryAttempts`'],
    ['the token expires while nothing is under way', '`4403 Token expired`, within a second', 'comes back as soon as it has something to send; at once with `lazy: false`'],
    ['the token expires while streams are open', 'each ends with `Ended { reason: TOKEN_EXPIRED }` and `complete`; then `4403 Token expired`', 'does not subscribe again by itself after `complete`: subscribe with the last cursor as `after`'],
    ['the token expires while a query or a change is under way', 'it is answered, within 5 seconds; then `4403 Token expired`', 'comes back'],
    ['an operation is sent after the token expired', 'it is not answered; `4403 Token expired`', 'comes back and sends it again'],
    ['the session or the account ends', 'streams end with `Ended`; the socket is closed with `4401 Unauthorized`, within 31 seconds', 'gives up'],
    ['a role or a class is lost', 'the streams that depended on it end with `Ended`; the socket stays', 'subscribes again only if your program does so'],
    ['the server restarts', '`1012 Service restart`, without `Ended` or `complete`', 'comes back and subscribes again'],
    ['the client reads nothing of what it is sent for 15 seconds', '`1013`, or the connection is cut', 'comes back and subscribes again'],
    ['the account has sent too many operations, or the database does not answer', '`1013`, with the code as the reason', 'comes back'],
    ['the client does not send `connection_init` within 5 seconds, or its address has over 100 sockets that do not', '`4408 Connection initialisation timeout`', 'comes back'],
    ['the account has `STREAMS_PER_ACCOUNT` sockets', '`4429 Too many sockets`', 'gives up'],
    ['the account has `STREAMS_PER_ACCOUNT` streams, on sockets and over SSE', '`error` with `TOO_MANY_STREAMS`; over SSE status 429', 'reports it to the subscription'],
    ['a socket has 50 operations', '`error` with `TOO_MANY_OPERATIONS`', 'reports it to the subscription'],
    ['the account has used its operations or its cost of this minute', '`error` or `next` with `RATE_LIMITED` and `retryAfter`; a stream then ends before the event; its last cursor brings the event back', 'reports it to the subscription'],
  ]),
  'When graphql-ws comes back, it sends every open subscription again with the same variables: an `after` of the first time repeats the events since then, and without `after` the events that '
  + 'happened meanwhile are missing. It reads the variables when it sends them, so a program that puts the last cursor into the same object loses and repeats nothing:',
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
  'A token can be renewed before it expires: `client.terminate()` breaks the socket, and the client comes back with a new token and its cursor. urql and Apollo use this client; give `createClient` '
  + 'to their wrappers. A client that you write yourself should come back after every close code but 4400, 4401, 4406, 4409, 4429 and 4500, with its last cursor and a token that is valid.',
  '## What an account may use',
  'Each process counts for itself. While an operation is under way it costs as many objects as its pages could hold. Once it is answered it costs an object for each 100 bytes of the answer, and a '
  + 'twentieth of the estimate at least. A change costs 50 objects more. An item of a stream that is made for one subscriber costs its bytes; an item that is made once for several subscribers costs none of them anything. In any 60 seconds an account has '
  + '`OPERATIONS_PER_MINUTE` operations and `COST_PER_MINUTE` objects; 20 operations are under way at once, of which one may cost 5,000 objects or more (two in the whole process), and 400 more wait. Anything beyond that is '
  + 'refused with `RATE_LIMITED`, status 429, and the seconds to wait. Requests without a token count for their network address.',
];

writeGenerated('docs/policy.md', policy(), 'npm run docs');
writeGenerated('docs/events.md', events(), 'npm run docs');
