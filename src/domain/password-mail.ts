import type { Mail } from './mailer.ts';

/** Returns the mail with a one-time link, in the person's language. Its only personal data is the given name. */
export function passwordMail({ to, locale, givenName }: { to: string; locale: string; givenName: string }, link: string): Mail {
  const [subject, text] = locale === 'en' ? english(givenName, link) : russian(givenName, link);
  return { to, subject, text };
}

const russian = (givenName: string, link: string): [subject: string, text: string] => [
  'Сфера: ссылка для нового пароля',
  `Здравствуйте, ${givenName}!

Чтобы задать новый пароль, откройте ссылку. Она действует один час и только один раз:

${link}

Если вы не просили об этом, ничего не делайте: прежний пароль продолжит действовать. Никому не пересылайте это письмо.
`,
];

const english = (givenName: string, link: string): [subject: string, text: string] => [
  'Sfera: a link for a new password',
  `Hello ${givenName},

To set a new password, open this link. It works for one hour, and only once:

${link}

If you did not ask for it, do nothing: your present password keeps working. Do not forward this mail to anyone.
`,
];
