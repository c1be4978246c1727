import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { refusalOf } from '../db/availability.ts';
import type { Upload } from '../domain/entities.ts';
import { findOpenUpload, markReceived, uploadFolder, uploadPath } from '../domain/uploads.ts';
import { invalid, type RefusalCode } from '../errors.ts';
import { newId } from '../db/ids.ts';
import { isUuid } from '../uuid.ts';
import { refusalError, RequestError } from './errors.ts';
import { bodyTooLarge, messages } from './messages.ts';
import { contextFor, type RequestContexts, type ServerDeps } from './request-context.ts';
import type { RequestInfo } from './request-info.ts';
import { sendResponse } from './responses.ts';

/** Receives the bytes of uploads: `POST /uploads/<id>` with the access token that made the upload. */

const path = /^\/uploads\/([^/]+)$/;

/** Returns the id of the upload in the path `/uploads/<id>`; undefined for other paths. */
export function uploadIdOf(url: string | undefined): string | undefined {
  const id = path.exec(url?.split('?')[0] ?? '')?.[1];
  return id !== undefined && isUuid(id) ? id : undefined;
}

export class UploadRoute {
  readonly #deps: ServerDeps;
  readonly #contexts: RequestContexts;

  constructor(deps: ServerDeps, contexts: RequestContexts) {
    this.#deps = deps;
    this.#contexts = contexts;
  }

  /**
   * Streams the body to the data folder and answers 201. A client that has not received this answer may send the bytes
   * again from the beginning.
   * @throws 401 without a valid token, 404 for an unknown upload, 409 for an upload that has arrived, 413 for more bytes
   *   than announced, 400 for fewer bytes.
   */
  async answer(request: IncomingMessage, response: ServerResponse, { id, info }: { id: string; info: RequestInfo }): Promise<void> {
    if (request.method === 'OPTIONS') return void response.writeHead(204, { allow: 'POST, OPTIONS' }).end();
    if (request.method !== 'POST')
      throw new RequestError('METHOD_NOT_ALLOWED', messages.notFound, { status: 405, headers: { allow: 'POST, OPTIONS' } });
    const { actor, credential, language } = await this.#contexts.authenticate(info);
    const ctx = contextFor(this.#deps, actor, info, { credential });
    try {
      const upload = await findOpenUpload(ctx, id);
      const temporary = `${uploadPath(ctx.config, upload)}.${newId()}`;
      await mkdir(uploadFolder(ctx.config), { recursive: true, mode: 0o700 });
      try {
        await receive(request, upload, temporary);
        const isFirst = await markReceived(ctx, upload, () => rename(temporary, uploadPath(ctx.config, upload)));
        if (!isFirst) await findOpenUpload(ctx.renew(actor), id);
      } finally {
        await rm(temporary, { force: true });
      }
      sendResponse(response, 201, { received: upload.size });
    } catch (error) {
      // A client that has disconnected gets no answer, and may send the file again.
      if (request.destroyed && !request.complete) return;
      const refusal = refusalOf(error);
      if (refusal === undefined) throw error;
      const status = statuses[refusal.code];
      throw status === undefined ? refusalError(refusal, language) : new RequestError(refusal.code, refusal.text, { status });
    }
  }
}

const statuses: Partial<Record<RefusalCode, number>> = { INVALID: 400, FORBIDDEN: 403, NOT_FOUND: 404, CONFLICT: 409 };

/** Writes the body to a file, chunk by chunk. */
async function receive(request: IncomingMessage, { size }: Upload, file: string): Promise<void> {
  if (Number(request.headers['content-length'] ?? 0) > size) throw tooLarge(size);
  let received = 0;
  // Keeps the connection open when the file is refused, so that the client receives the error.
  const chunks = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  const counted = async function* () {
    for await (const chunk of chunks) {
      received += chunk.length;
      if (received > size) throw tooLarge(size);
      yield chunk;
    }
  };
  await pipeline(counted, createWriteStream(file, { flags: 'wx', mode: 0o600 }));
  if (received < size)
    throw invalid('size', ['Файл короче, чем объявлено: отправьте его снова.', 'The file is shorter than announced: send it again.']);
}

const tooLarge = (size: number): RequestError => new RequestError('BODY_TOO_LARGE', bodyTooLarge(size), { status: 413 });
