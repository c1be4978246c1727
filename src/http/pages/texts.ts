import type { IncomingMessage } from 'node:http';
import type { Language, Message } from '../../errors.ts';
import { languageOf as languageOfHeader } from '../request-context.ts';

/** What the pages say, Russian first. */
export const texts = {
  language: ['Русский', 'English'],
  product: ['Сфера', 'Sfera'],
  footer: ['Образовательная платформа вашей школы', 'Your school’s learning platform'],

  homeTitle: ['Сервер школьной платформы', 'The server of a school platform'],
  homeAbout: [
    'Ученики и учителя обычно работают не здесь, а в приложении своей школы.',
    'Pupils and teachers usually do not work here, but in their school’s app.',
  ],
  homeSessions: ['Войти', 'Sign in'],
  homeSessionsAbout: ['Посмотреть, где вы вошли, и завершить лишние входы.', 'See where you are signed in, and end the sessions you do not need.'],
  homeLink: ['У меня есть ссылка-приглашение', 'I have an invitation link'],
  homeLinkAbout: [
    'Откройте её целиком, как вам её прислали: в ней есть код. Если она не открывается, попросите в школе новую.',
    'Open all of it, as it was sent to you: the code is a part of it. If it does not open, ask your school for a new one.',
  ],
  homeExplorer: ['Обозреватель API', 'API explorer'],
  homeExplorerAbout: ['Для разработчиков: схема, запросы и подписки.', 'For developers: the schema, queries and subscriptions.'],
  homeHealth: ['Состояние сервера', 'Server health'],
  homeHealthAbout: ['Для администраторов: готов ли сервер отвечать.', 'For operators: whether the server is ready to answer.'],
  toHome: ['На главную', 'To the start page'],
  requestId: ['Номер запроса', 'Request ID'],

  signInTitle: ['Вход', 'Sign in'],
  signInFor: ['Чтобы продолжить в приложении', 'To continue in'],
  signInName: ['Логин', 'Sign-in name'],
  password: ['Пароль', 'Password'],
  signIn: ['Войти', 'Sign in'],
  noAccount: [
    'Нет учётной записи? Откройте ссылку-приглашение, которую вам дали в школе.',
    'No account? Open the invitation link that your school gave you.',
  ],

  joinTitle: ['Приглашение в школу', 'Invitation to a school'],
  school: ['Школа', 'School'],
  class: ['Класс', 'Class'],
  role: ['Роль', 'Role'],
  PLATFORM_ADMINISTRATOR: ['Администратор платформы', 'Platform administrator'],
  SCHOOL_ADMINISTRATION: ['Администрация школы', 'School administration'],
  TEACHER: ['Учитель', 'Teacher'],
  STUDENT: ['Ученик', 'Pupil'],
  surname: ['Фамилия', 'Surname'],
  givenName: ['Имя', 'Given name'],
  patronymic: ['Отчество', 'Patronymic'],
  optional: ['если есть', 'if you have one'],
  signInNameHint: ['С ним вы будете входить. Запомните или запишите его.', 'You will sign in with it. Remember it or write it down.'],
  passwordHint: ['Не меньше 8 символов. Никому его не говорите.', 'At least 8 characters. Tell it to nobody.'],
  join: ['Создать учётную запись и войти в школу', 'Create an account and join'],
  haveAccount: ['У меня уже есть учётная запись', 'I already have an account'],
  noAccountYet: ['У меня ещё нет учётной записи', 'I have no account yet'],
  accept: ['Войти и принять приглашение', 'Sign in and accept'],
  joinedTitle: ['Готово, вы в школе', 'Done, you have joined'],
  joinedNext: ['Что дальше', 'What next'],
  joinedApp: ['Откройте приложение или сайт, которым пользуется ваша школа.', 'Open the app or the site that your school uses.'],
  joinedSignIn: ['Войдите со своим логином и паролем.', 'Sign in with your sign-in name and password.'],
  joinedKeep: [
    'Храните пароль в секрете. Где вы вошли, видно на странице «Мои входы».',
    'Keep the password secret. The page “My sessions” shows where you are signed in.',
  ],

  sessionsTitle: ['Мои входы', 'My sessions'],
  sessionsAbout: [
    'Здесь видно, где вы вошли. Не узнаёте устройство? Завершите вход на нём и скажите об этом в школе.',
    'This is where you are signed in. You do not know a device? End its session and tell your school.',
  ],
  unknownDevice: ['Неизвестное устройство', 'Unknown device'],
  thisSession: ['Это устройство', 'This device'],
  lastUsed: ['Последний раз', 'Last used'],
  begun: ['Вход', 'Signed in'],
  endSession: ['Завершить', 'End'],
  endOthers: ['Завершить все, кроме этого', 'End all but this one'],
  ended: ['Готово: вход завершён.', 'Done: it has ended.'],

  signOutTitle: ['Выйти?', 'Sign out?'],
  signOutAbout: ['Вы выйдете из всех приложений в этом браузере.', 'You will be signed out of every app in this browser.'],
  signOut: ['Выйти', 'Sign out'],
  stay: ['Остаться', 'Stay signed in'],
  signedOutTitle: ['Вы вышли', 'You are signed out'],
  signedOutAbout: ['Эту страницу можно закрыть.', 'You may close this page.'],

  explorerTitle: ['Обозреватель API', 'API explorer'],
  explorerAbout: [
    'Запросы, изменения и подписки к API вашей школы — от вашего имени и с вашими правами.',
    'Queries, mutations and subscriptions to your school’s API, in your name and with your rights.',
  ],
  explorerWrong: ['Войти не получилось. Попробуйте ещё раз.', 'Signing in did not work. Try again.'],
  explorerScript: ['Обозревателю нужен JavaScript.', 'The explorer needs JavaScript.'],

  wrongTitle: ['Не получилось', 'That did not work'],
  expired: [
    'Вход был начат слишком давно или в другом браузере. Вернитесь в приложение и войдите ещё раз.',
    'Signing in was begun too long ago or in another browser. Go back to the app and sign in again.',
  ],
  wrongRequest: [
    'Приложение попросило о входе неправильно. Вернитесь в него и попробуйте ещё раз; не поможет — сообщите его разработчикам.',
    'The app asked to sign in incorrectly. Go back to it and try again; if that does not help, tell its developers.',
  ],
  forged: ['Форма устарела. Откройте страницу заново и повторите.', 'The form is out of date. Open the page again and repeat.'],
  formUnreadable: ['Форма пришла не в кодировке UTF-8. Откройте страницу заново и повторите.', 'The form did not arrive in UTF-8. Open the page again and repeat.'],
  noInvitation: [
    'Такого приглашения нет, или оно больше не действует. Попросите в школе новую ссылку.',
    'There is no such invitation, or it no longer works. Ask your school for a new link.',
  ],
  notFound: ['Такой страницы нет.', 'There is no such page.'],
  changeUnknown: [
    'Неизвестно, сохранилось ли изменение: база данных не ответила. Откройте страницу и проверьте, прежде чем повторять.',
    'It is unknown whether the change was saved: the database did not answer. Open the page and check before you repeat it.',
  ],
  openPage: ['Открыть страницу', 'Open the page'],
  tryAgain: ['Попробовать ещё раз', 'Try again'],
  failed: ['На сервере произошла ошибка. Попробуйте ещё раз позже.', 'Something failed on the server. Try again later.'],
} as const satisfies Record<string, Message>;

export type TextName = keyof typeof texts;

/** Says a text in a language. */
export const say = (language: Language, name: TextName): string => texts[name][language === 'ru' ? 0 : 1];

/** The reader's language: `?lang=` where it is given, then by Accept-Language. */
export function languageOf(req: IncomingMessage): Language {
  const chosen = /[?&]lang=(ru|en)(?:&|$)/.exec(req.url ?? '')?.[1];
  if (chosen === 'ru' || chosen === 'en') return chosen;
  return languageOfHeader(req.headers['accept-language'] ?? null);
}
