import { person, type Person } from './client.ts';
import type { Sfera } from './sfera.ts';

/** Makes roster files for tests, uploads them, and plans and applies their import. */

export interface ListRow {
  name: string;
  class?: string;
  birthDate?: string;
  role?: string;
  startedOn?: string;
}

/** Returns the Russian list of these people. */
export const listOf = (rows: readonly ListRow[]): string =>
  [
    'ФИО;Класс;Дата рождения;Роль;Дата зачисления',
    ...rows.map((row) => [row.name, row.class ?? '', row.birthDate ?? '', row.role ?? '', row.startedOn ?? ''].join(';')),
  ].join('\r\n');

/** Returns pupils with distinct names, spread over the classes. */
export const pupils = (count: number, classes: readonly string[] = ['5А']): ListRow[] =>
  Array.from({ length: count }, (_, n) => ({ name: `Ученик${letters(n)} Пётр Ильич`, class: classes[n % classes.length]! }));

/** Spells a number in letters, because names contain no digits. */
const letters = (n: number): string => [...String(n)].map((digit) => 'абвгдежзик'[Number(digit)]).join('');

export interface Sender {
  as: Person;
  token: string;
}

export async function senderOf(app: Sfera, user: { id: string }): Promise<Sender> {
  const { token } = await app.token(user);
  return { as: person(app.url, token), token };
}

/** Announces a file and sends its bytes. Returns the global id of the upload. */
export async function upload(app: Sfera, by: Sender, { schoolId, body }: { schoolId: string; body: string | Uint8Array }): Promise<string> {
  const bytes = Buffer.from(body as string);
  const announced = (await by.as.createUpload({ schoolId: app.id('School', schoolId), name: 'список.csv', size: bytes.length })) as any;
  const answer = await send(app, by.token, announced.url, bytes);
  if (answer.status !== 201) throw new Error(`the upload was answered ${answer.status}: ${await answer.text()}`);
  return announced.id;
}

/** Sends bytes to the URL of an upload. Replaces the public origin in the URL by the address of the test's server. */
export const send = (app: Sfera, token: string, url: string, bytes: Uint8Array): Promise<Response> =>
  fetch(`${new URL(app.url).origin}${new URL(url).pathname}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
    body: bytes as BodyInit,
  });

/** Plans the import of a list. Throws an error if the server refuses to plan. */
export async function planList(app: Sfera, by: Sender, schoolId: string, rows: readonly ListRow[], options: object = {}): Promise<any> {
  const plan = (await by.as.planImport({ uploadId: await upload(app, by, { schoolId, body: listOf(rows) }), ...options })) as any;
  if (plan.__typename !== 'Plan') throw new Error(`refused: ${JSON.stringify(plan)}`);
  return plan;
}

/** Plans the import of a list and applies the plan. Throws an error if the server refuses one of the two. */
export async function importList(app: Sfera, by: Sender, schoolId: string, rows: readonly ListRow[], options: object = {}): Promise<any> {
  const plan = await planList(app, by, schoolId, rows);
  const applied = (await by.as.applyPlan({ planId: plan.id, ...options })) as any;
  if (applied.__typename !== 'Plan') throw new Error(`refused: ${JSON.stringify(applied)}`);
  return plan;
}
