import { UsageError } from '../command-line.ts';
import { resetPasswordAsOperator } from '../domain/passwords.ts';
import type { Language } from '../errors.ts';
import { optional, schoolIdIn, type Command } from './command.ts';

/** `npx sfera reset-password`. */

export const resetPasswordCommand: Command = {
  about: [
    'напечатать одноразовую ссылку, по которой человек или администратор школы задаст новый пароль',
    'print a one-time link by which a person, or the administrator of a school, sets a new password',
  ],
  usage: '--school ID | --login NAME',
  options: {
    school: ['идентификатор школы, в которой один администратор платформы', 'id of a school that has one platform administrator'],
    login: ['логин человека', 'sign-in name of the person'],
  },
  async run({ operator }, values, language) {
    const login = optional(values, 'login');
    if ((login === undefined) === (values.school === undefined))
      throw new UsageError(['Укажите --school или --login: что-то одно.', 'Give either --school or --login.']);
    const of = login === undefined ? { schoolId: schoolIdIn(values) } : { signInName: login };
    const { user, link, expiresAt } = await resetPasswordAsOperator(operator, of);
    const until = momentText(expiresAt, language);
    const lines =
      language === 'ru'
        ? [
            `Прежний пароль пользователя ${user.signInName} больше не действует, все его сеансы завершены.`,
            `Одноразовая ссылка для нового пароля (действует до ${until}). Передайте её лично или по защищённому каналу:`,
          ]
        : [
            `The former password of ${user.signInName} no longer works, and all sessions have ended.`,
            `One-time link for a new password (valid until ${until}). Hand it over in person or by a secure channel:`,
          ];
    return [...lines, `  ${link}`];
  },
};

/** Returns «1 декабря 2026 г. в 17:02 GMT+3», by the clock of this machine. */
const momentText = (moment: Date, language: Language): string =>
  language === 'ru'
    ? new Intl.DateTimeFormat('ru-RU', {
        day: 'numeric',
        month: 'long',
        year: 'numeric',
        hour: '2-digit',
        minute: '2-digit',
        timeZoneName: 'short',
      }).format(moment)
    : moment.toISOString();
