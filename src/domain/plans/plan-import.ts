import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { newId } from '../../db/ids.ts';
import { conflict, notFound } from '../../errors.ts';
import { record } from '../../events/record.ts';
import { readRoster } from '../../roster/read-roster.ts';
import { rosterFormats, type Roster, type RosterFormat } from '../../roster/roster.ts';
import { authorize, find, findFor } from '../access.ts';
import { mutate, type Context } from '../context.ts';
import type { Plan, School, Upload } from '../entities.ts';
import { dayIn, workingYearOf } from '../school-years.ts';
import { normalizeOptionalLine } from '../text.ts';
import { claimUpload, deleteUpload, findReceivedUpload, uploadPath } from '../uploads.ts';
import { compareRoster } from './compare-roster.ts';
import { PlanProgressReporter } from './plan-progress.ts';
import { authorOf, insertPlanRows } from './plan-store.ts';
import { loadPresentRoster } from './present-roster.ts';

export interface ImportOptions {
  format?: RosterFormat | null;
  schoolYearId?: string | null;
  /** The system whose external ids the file holds. Default: `roster`. */
  system?: string | null;
  /** Whether the file lists only a part of the school. A person who is missing from such a file has not left. */
  isPartial?: boolean | null;
}

export interface FileImport extends ImportOptions {
  schoolId: string;
  /** The path of a file or a folder on the server. */
  path: string;
  fileName?: string;
  /** The upload of the file. The signals of the progress contain its id, and its size as the total. */
  upload?: Pick<Upload, 'id' | 'size'>;
}

/**
 * Plans the import of an uploaded file (`planImportOfFile`), then deletes the upload. Regulation 2.1 f.
 * @throws CONFLICT for an upload whose bytes have not arrived, and for an upload that another call has taken.
 */
export async function planImport(ctx: Context, { uploadId, ...options }: ImportOptions & { uploadId: string }): Promise<Plan> {
  systemOf(options);
  const upload = await findReceivedUpload(ctx, uploadId);
  authorize(ctx, 'import.plan', { schoolId: upload.schoolId });
  await claimUpload(ctx, upload);
  try {
    return await planImportOfFile(ctx, {
      ...options,
      schoolId: upload.schoolId,
      path: uploadPath(ctx.config, upload),
      fileName: upload.name,
      upload,
    });
  } finally {
    await deleteUpload(ctx, upload);
  }
}

/**
 * Reads a roster file, compares it with the school, and stores the differences as a plan. Changes nothing else. If the file
 * cannot be read, the plan is FAILED and its rows say why. Regulation 2.1 f.
 * @throws INVALID for an unusable name of the system. NOT_FOUND for a school year of another school.
 */
export async function planImportOfFile(ctx: Context, input: FileImport): Promise<Plan> {
  const school = await findFor(ctx, 'School', input.schoolId, 'import.plan');
  const { clientId } = authorOf(ctx);
  const progress = new PlanProgressReporter(ctx, { schoolId: school.id, planId: newId(), uploadId: input.upload?.id ?? null, clientId });
  progress.report('READING');
  return planFile(ctx, school, input, progress).finally(() => progress.report('FINISHED'));
}

async function planFile(ctx: Context, school: School, input: FileImport, progress: PlanProgressReporter): Promise<Plan> {
  const yearId = await yearOf(ctx, school, input.schoolYearId);
  const system = systemOf(input);
  const { path, fileName: name, upload } = input;
  const onRead = (done: number) => progress.report('READING', done, upload?.size);
  const roster = await readRoster(
    name === undefined ? { path } : { name, stream: bytesOf(path, onRead) },
    await readOptions(ctx, school, input),
  );
  const fileName = [...(input.fileName ?? basename(input.path))].slice(0, 200).join('');
  progress.report('COMPARING');
  return mutate(ctx, async (tx) => {
    const schoolYearId = yearId ?? (await workingYearOf(tx, school.id)).id;
    const present = await loadPresentRoster(tx, { schoolId: school.id, schoolYearId, system });
    const { rows, coveredCount } = compareRoster(roster, present, { isByService: ctx.actor.kind === 'service' });
    progress.report('WRITING', 0, rows.length);
    const plan = await tx.prisma.plan.create({
      data: {
        id: progress.planId,
        schoolId: school.id,
        schoolYearId,
        system,
        fileName,
        coveredCount,
        source: 'IMPORT',
        state: isReadable(roster) ? 'READY' : 'FAILED',
        format: roster.format,
        warnings: roster.warnings.list as object[],
        warningCount: roster.warnings.total,
        ...authorOf(ctx),
      },
    });
    await insertPlanRows(tx, plan, rows);
    record(tx, plan.state === 'READY' ? 'plan.ready' : 'plan.failed', { schoolId: school.id, planId: plan.id });
    return plan;
  });
}

/**
 * Opens the file when the reader asks for its first bytes.
 * @throws CONFLICT if the file is missing.
 */
async function* bytesOf(path: string, onRead: (done: number) => void): AsyncGenerator<Uint8Array> {
  let done = 0;
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Uint8Array>) {
      yield chunk;
      onRead((done += chunk.length));
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw conflict(['Файл загрузки не найден: создайте новую загрузку.', 'The file of the upload is missing: create another upload.'], {
      path: ['uploadId'],
    });
  }
}

/** Returns the system of external ids, `roster` by default. @throws INVALID for an unusable name. */
export const systemOf = ({ system }: Pick<ImportOptions, 'system'>): string => normalizeOptionalLine('system', system, 50) ?? 'roster';

/**
 * Returns whether the reader recognised the format and could read something. A file without people or classes is readable if
 * it has no errors.
 */
const isReadable = ({ format, people, classes, enrolments, assignments, errors }: Roster): boolean =>
  format !== null && (errors.total === 0 || [people, classes, enrolments, assignments].some((list) => list.length > 0));

async function yearOf(ctx: Context, school: School, schoolYearId: string | null | undefined): Promise<string | null> {
  if (schoolYearId === undefined || schoolYearId === null) return null;
  const year = await find(ctx, 'SchoolYear', schoolYearId, 'schoolYearId');
  if (year.schoolId !== school.id) throw notFound('schoolYearId');
  return year.id;
}

async function readOptions(ctx: Context, school: School, { format, isPartial }: ImportOptions) {
  const ids = await ctx.db.prisma.externalId.findMany({ where: { schoolId: school.id } });
  return {
    schoolIds: [school.id, ...ids.map(({ value }) => value)],
    today: dayIn(school.timeZone, new Date()),
    isPartial: isPartial === true,
    ...(format && { format }),
  };
}

export { rosterFormats, type RosterFormat };
