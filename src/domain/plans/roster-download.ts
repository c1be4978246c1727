import { randomBytes } from 'node:crypto';
import { loadActors } from '../../auth/actors.ts';
import { hashCode } from '../../auth/seal.ts';
import type { Credential } from '../../auth/tokens.ts';
import { Refusal, unauthenticated } from '../../errors.ts';
import { can } from '../../policy/can.ts';
import { findFor } from '../access.ts';
import { mutate, type Context } from '../context.ts';
import type { School } from '../entities.ts';
import { dayIn } from '../school-years.ts';
import { exportInTransaction, type ExportedRoster, type ExportFormat } from './export-roster.ts';
import { systemOf } from './plan-import.ts';

/** One-time links by which the roster of a school is downloaded (src/http/download-route.ts). Regulation 1.5. */

/** Milliseconds for which a link works: enough to begin the download. */
const ttlMs = 5 * 60_000;

export interface RosterDownload {
  /** The URL, which nobody can read again: the database has only the hash of its code, 256 random bits. */
  downloadUrl: string;
  fileName: string;
  expiresAt: Date;
}

/**
 * Returns a link to a roster file of the school, for one download. The file is written when it is downloaded, if the
 * actor may still export then.
 * @throws NOT_FOUND, FORBIDDEN; INVALID for an unusable `system`.
 */
export async function createRosterDownload(
  ctx: Context,
  input: { schoolId: string; format: ExportFormat; system?: string | null },
): Promise<RosterDownload> {
  const school = await findFor(ctx, 'School', input.schoolId, 'roster.export');
  const { credential } = ctx;
  if (credential === null) throw unauthenticated();
  const system = systemOf(input);
  const code = randomBytes(32).toString('base64url');
  const expiresAt = new Date(Date.now() + ttlMs);
  const fileName = fileNameOf(school, input.format);
  await ctx.db.prisma.rosterDownload.create({
    data: { codeHash: hashCode(code), schoolId: school.id, format: input.format, system, fileName, credential, expiresAt },
  });
  return { downloadUrl: `${ctx.config.publicUrl}/downloads/${code}`, fileName, expiresAt };
}

/** Returns a name such as «Школа № 98 2026-11-28.zip», without characters that file systems refuse. */
function fileNameOf({ name, timeZone }: School, format: ExportFormat): string {
  const safe = name.replace(/[\\/:*?"<>|\p{C}\s]+/gu, ' ').trim();
  const day = dayIn(timeZone, new Date());
  return `${[...safe].slice(0, 80).join('')} ${day}.${format === 'LIST' ? 'csv' : 'zip'}`;
}

export interface RosterFile extends ExportedRoster {
  format: ExportFormat;
  fileName: string;
}

/**
 * Uses up a link, and returns its roster by the present rights of the account that made the link. The request needs no
 * token, because a browser sends no token with a download. If the request has a token, it must be of the account that made
 * the link. If the export fails, the link keeps working.
 * @throws NOT_FOUND, always the same, for a link that is unknown, used, expired or of another account, and for an account
 *   that may not export any more.
 */
export async function takeRosterDownload(ctx: Context, code: string): Promise<RosterFile> {
  const codeHash = hashCode(code);
  const found = await ctx.db.prisma.rosterDownload.findUnique({ where: { codeHash } });
  if (found === null) throw linkEnded();
  const { schoolId, system, fileName } = found;
  const format = found.format as ExportFormat;
  // The link stores the credential of its account. Here the credential expires with the link, so an expired
  // link is refused like an expired token.
  const credential = { ...(found.credential as unknown as Credential), expiresAt: found.expiresAt.getTime() / 1000 };
  if (ctx.credential !== null && accountOf(ctx.credential) !== accountOf(credential)) throw linkEnded();
  const [actor] = await loadActors(ctx.db, [credential]);
  if (actor === undefined || 'ended' in actor || !can(actor, 'roster.export', { schoolId })) throw linkEnded();
  const owner = ctx.renew(actor);
  return mutate(owner, async (tx) => {
    const { count } = await tx.prisma.rosterDownload.deleteMany({ where: { codeHash } });
    if (count === 0) throw linkEnded();
    return { ...(await exportInTransaction(owner, tx, { schoolId, system, format })), format, fileName };
  });
}

const accountOf = (credential: Credential): string =>
  credential.kind === 'user' ? `user ${credential.userId}` : `service ${credential.clientId}`;

const linkEnded = (): Refusal =>
  new Refusal('NOT_FOUND', [
    'Ссылка на файл не действует: по ней уже скачали, или её срок истёк. Запросите выгрузку ещё раз.',
    'The link does not work: it was used, or it has expired. Export the roster again.',
  ]);
