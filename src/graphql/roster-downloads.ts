import { exportFormats } from '../domain/plans/export-roster.ts';
import { createRosterDownload, type RosterDownload } from '../domain/plans/roster-download.ts';
import { builder } from './builder.ts';
import { mutation } from './mutation.ts';
import { id } from './typed-id.ts';

const formatDescriptions: Readonly<Record<(typeof exportFormats)[number], string>> = {
  ONE_ROSTER_1_2: 'A ZIP of OneRoster CSV 1.2, with the subjects and their teachers.',
  LIST: 'The Russian list: one CSV file that spreadsheet programs open, with a row for each person and without subjects.',
};

const ExportFormatEnum = builder.enumType('RosterExportFormat', {
  description: 'A format in which a roster can be downloaded. `planImport` reads both.',
  values: Object.fromEntries(exportFormats.map((format) => [format, { description: formatDescriptions[format] }])) as Record<
    (typeof exportFormats)[number],
    { description: string }
  >,
});

const RosterDownloadRef = builder
  .objectRef<RosterDownload>('RosterDownload')
  .implement({
    description:
      'A one-time link to a roster file. Only the result of `exportRoster` contains it: it cannot be queried later. The file holds personal data of children: do not pass the link on.',
    fields: (t) => ({
      downloadUrl: t.exposeString('downloadUrl', {
        description:
          'Where to GET the file, once, on the origin of this server. A browser may open it as it is: no access token is needed. A request with the token of another account gets 404, as an unknown, used or expired link does, and when you may not export any more.',
      }),
      fileName: t.exposeString('fileName', {
        description: 'The name of the file, from the name of the school and the day. The download itself names the file so too.',
      }),
      expiresAt: t.expose('expiresAt', { type: 'DateTime', description: 'When the link expires unused: 5 minutes after it was made.' }),
    }),
  });

mutation('exportRoster', {
  description:
    "Makes a one-time link to a file of the school's people and classes in the current school year, which `planImport` reads without changing anything. If a plan has moved the pupils into the next year already, the file has the classes of the next year. The file is written when it is downloaded, and the event `ROSTER_EXPORTED` is recorded then. Every call makes another link. For a service the file has no e-mail addresses.",
  returns: RosterDownloadRef,
  inputDescription: 'The school, and how to write the file.',
  input: (t) => ({
    schoolId: id(t, 'School', {
      required: true,
      description: 'The school. FORBIDDEN except for its PLATFORM_ADMINISTRATOR and for services with the scope `read`.',
    }),
    format: t.field({ type: ExportFormatEnum, required: true, description: 'The format of the file.' }),
    system: t.string({
      description:
        'The name of the system whose IDs the file contains, up to 50 characters. A person, class or subject without an ID in that system is listed with its ID on this server. Default: `roster`.',
    }),
  }),
  run: createRosterDownload,
});
