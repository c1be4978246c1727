import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { transaction, type Tx } from '../db/transaction.ts';
import { conflict, invalid } from '../errors.ts';
import { record } from '../events/record.ts';
import { find, findFor } from './access.ts';
import { actingUserId, mutate, type Context } from './context.ts';
import { paginateChildren } from './connection.ts';
import type { Page, PageArgs, School, Upload } from './entities.ts';
import { readable } from './resources.ts';
import { normalizeLine } from './text.ts';

/**
 * Files that clients send. `createUpload` announces a file. One POST brings its bytes (src/http/upload-route.ts). The
 * operation that uses the file deletes it. src/jobs/housekeeping.ts deletes a file that was not used within a day.
 */

export const maxUploadBytes = 200 * 1024 * 1024;

/** Maximum number of uploads of a school that have not been used yet. */
const maxWaiting = 20;

/**
 * Announces a file. The person or service then sends the bytes to the `url` of the upload.
 * @throws INVALID for a file over 200 MB; CONFLICT if the school has 20 uploads that have not been used yet.
 */
export async function createUpload(ctx: Context, input: { schoolId: string; name: string; size: number }): Promise<Upload> {
  const { id: schoolId } = await findFor(ctx, 'School', input.schoolId, 'upload.create');
  const name = normalizeLine('name', input.name, 200);
  if (!Number.isInteger(input.size) || input.size < 0 || input.size > maxUploadBytes)
    throw invalid('size', ['Размер файла — от 0 байт до 200 МБ.', 'The size of a file must be between 0 bytes and 200 MB.']);
  const clientId = ctx.actor.kind === 'service' ? ctx.actor.clientId : null;
  return mutate(ctx, async (tx) => {
    await refuseTooMany(tx, schoolId);
    const data = { schoolId, name, size: input.size, clientId, createdById: actingUserId(ctx) };
    const upload = await tx.prisma.upload.create({ data });
    record(tx, 'upload.created', { schoolId, uploadId: upload.id });
    return upload;
  });
}

/** Refuses an upload above the limit. Requests at the same moment may exceed the limit by a few. */
async function refuseTooMany(tx: Tx, schoolId: string): Promise<void> {
  if ((await tx.prisma.upload.count({ where: { schoolId } })) < maxWaiting) return;
  throw conflict([
    `У школы уже ${maxWaiting} неиспользованных загрузок. Используйте их или подождите: через день они удаляются.`,
    `The school has ${maxWaiting} unused uploads already. Use them, or wait: they are deleted after a day.`,
  ]);
}

/** Returns the uploads for a school that the actor may read, newest first. */
export function uploadsOf(ctx: Context, { id }: School, args: PageArgs): Promise<Page<Upload>> {
  const order = { tag: 'upload', keys: [{ field: 'id', direction: 'desc', type: 'string' }] } as const;
  return paginateChildren<Upload>(ctx, { model: 'School', id, relation: 'uploads' }, args, {
    order,
    filter: () => readable(ctx.actor, 'Upload'),
  });
}

/** Returns the folder of the uploaded files. It is in the data folder, which the processes of one machine share. */
export const uploadFolder = ({ dataDir }: Pick<Config, 'dataDir'>): string => join(dataDir, 'uploads');

/** Returns the path of the file with the bytes of an upload, once they have arrived. */
export const uploadPath = (config: Pick<Config, 'dataDir'>, { id }: Pick<Upload, 'id'>): string => join(uploadFolder(config), id);

/** Returns the URL that takes the bytes. */
export const uploadUrl = ({ config }: Context, { id }: Upload): string => `${config.publicUrl}/uploads/${id}`;

/** Returns an upload of the actor whose bytes have not arrived. @throws NOT_FOUND; CONFLICT if the bytes have arrived. */
export async function findOpenUpload(ctx: Context, id: string): Promise<Upload> {
  const upload = await find(ctx, 'Upload', id);
  if (upload.receivedAt !== null)
    throw conflict(['Этот файл уже получен: создайте новую загрузку.', 'This file has been received already: create another upload.']);
  return upload;
}

/**
 * Marks the bytes as received, and calls `place` to move them to `uploadPath`. Returns false, without calling `place`, if
 * another request was first. The row stays locked while `place` runs.
 */
export function markReceived({ db }: Context, { id }: Upload, place: () => Promise<void>): Promise<boolean> {
  return transaction(db, async (tx) => {
    const { count } = await tx.prisma.upload.updateMany({ where: { id, receivedAt: null }, data: { receivedAt: new Date() } });
    if (count > 0) await place();
    return count > 0;
  });
}

/** Returns an upload of the actor whose bytes have arrived. @throws NOT_FOUND; CONFLICT if the bytes have not arrived. */
export async function findReceivedUpload(ctx: Context, id: string): Promise<Upload> {
  const upload = await find(ctx, 'Upload', id, 'uploadId');
  if (upload.receivedAt === null)
    throw conflict(
      ['Файл ещё не получен: отправьте его по адресу загрузки.', 'The file has not arrived yet: send it to the URL of the upload.'],
      { path: ['uploadId'] },
    );
  return upload;
}

/**
 * Deletes the row of an upload, so that only one call can use the upload. The bytes stay until that call runs `deleteUpload`.
 * @throws CONFLICT if another call took the upload first.
 */
export async function claimUpload({ db }: Context, { id }: Upload): Promise<void> {
  const { count } = await db.prisma.upload.deleteMany({ where: { id } });
  if (count === 0)
    throw conflict(
      ['Этот файл уже взят другим запросом: создайте новую загрузку.', 'Another request has taken this file: create another upload.'],
      { path: ['uploadId'] },
    );
}

/** Deletes an upload with its bytes. */
export async function deleteUpload({ db, config }: Pick<Context, 'db' | 'config'>, upload: Pick<Upload, 'id'>): Promise<void> {
  await db.prisma.upload.deleteMany({ where: { id: upload.id } });
  await rm(uploadPath(config, upload), { force: true });
}
