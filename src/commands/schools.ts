import { confirm, UsageError } from '../command-line.ts';
import { createInvitation, linkOf } from '../domain/invitations.ts';
import { createSchool } from '../domain/schools.ts';
import { searchable } from '../domain/text.ts';
import type { Opened } from '../http/bootstrap.ts';
import { optional, schoolIdIn, schoolOption, text, type Command } from './command.ts';

/** `npx sfera create-school`, `invite-administrator` and `schools`. */

/** Returns the ids of schools whose name and region differ at most in case and spaces. */
async function findNamesakes({ db }: Opened, name: string, region: string | undefined): Promise<string[]> {
  const normalize = (value: string | null | undefined): string =>
    searchable(value ?? '')
      .trim()
      .replace(/\s+/g, ' ');
  const schools = await db.prisma.school.findMany({ select: { id: true, name: true, region: true } });
  return schools
    .filter((school) => normalize(school.name) === normalize(name) && normalize(school.region) === normalize(region))
    .map(({ id }) => id);
}

async function administratorLink({ operator }: Opened, schoolId: string): Promise<string[]> {
  const invitation = await createInvitation(operator, { schoolId, role: 'PLATFORM_ADMINISTRATOR', label: 'Первый администратор' });
  return [
    'Invitation link for a platform administrator (one use, valid for 14 days). Hand it over in person or by a secure channel:',
    `  ${linkOf(operator, invitation)}`,
  ];
}

export const createSchoolCommand: Command = {
  about: [
    'создать школу и напечатать ссылку для её первого администратора',
    'set up a school and print the link for its first administrator',
  ],
  usage: '--name "Школа № 98" [options]',
  options: {
    '*name': ['краткое название', 'short name'],
    'full-name': ['полное название (по умолчанию — краткое)', 'full name (default: the short one)'],
    address: ['почтовый адрес', 'postal address'],
    district: ['район', 'district'],
    region: ['регион', 'region'],
    'time-zone': ['часовой пояс, например Asia/Omsk (по умолчанию Europe/Moscow)', 'time zone, such as Asia/Omsk (default: Europe/Moscow)'],
    yes: [
      'не спрашивать, создать ли вторую школу с тем же названием в том же регионе',
      'do not ask whether to set up a second school of the same name and region',
    ],
  },
  flags: ['yes'],
  async run(opened, values) {
    const [existingId] = values.yes === true ? [] : await findNamesakes(opened, text(values, 'name'), optional(values, 'region'));
    if (existingId !== undefined) {
      const warning = `A school of this name and region exists (${existingId}).`;
      if (!(await confirm(`${warning} Set up a second one?`)))
        throw new UsageError([
          `Школа с таким названием в этом регионе уже есть (${existingId}). Ничего не сделано: укажите другой --region или --name либо --yes, чтобы создать вторую.`,
          `${warning} Nothing was done: give another --region or --name, or --yes to set up a second one.`,
        ]);
    }
    const school = await createSchool(opened.operator, {
      name: text(values, 'name'),
      fullName: optional(values, 'full-name') ?? text(values, 'name'),
      address: optional(values, 'address') ?? null,
      district: optional(values, 'district') ?? null,
      region: optional(values, 'region') ?? null,
      ...(values['time-zone'] === undefined ? {} : { timeZone: text(values, 'time-zone') }),
    });
    return [`School ${school.id} was created.`, ...(await administratorLink(opened, school.id))];
  },
};

export const inviteAdministratorCommand: Command = {
  about: ['напечатать новую ссылку для администратора платформы', 'print a new link for a platform administrator of a school'],
  usage: '--school ID',
  options: { '*school': schoolOption },
  run: (opened, values) => administratorLink(opened, schoolIdIn(values)),
};

export const schoolsCommand: Command = {
  about: ['перечислить школы с идентификаторами', 'list the schools with their ids'],
  usage: '',
  options: {},
  async run({ db }) {
    const schools = await db.prisma.school.findMany({ orderBy: { id: 'asc' }, select: { id: true, name: true } });
    return schools.map((school) => `${school.id}  ${school.name}`);
  },
};
