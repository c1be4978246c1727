import type { IncomingMessage } from 'node:http';
import type { Language, Message } from '../../errors.ts';
import { languageOf as languageOfHeader } from '../request-info.ts';

/** Texts of the pages, Russian first. */
export const texts = {
  language: ['Русский', 'English'],
  product: ['Сфера', 'Sfera'],
  footer: ['Образовательная платформа вашей школы', 'Your school’s learning platform'],

  homeTitle: ['Сервер школьной платформы', 'School platform server'],
  homeAbout: [
    'Ученики и учителя обычно работают не здесь, а в приложении своей школы.',
    'Pupils and teachers usually work in their school’s app, not here.',
  ],
  homeSessions: ['Войти', 'Sign in'],
  homeSessionsAbout: [
    'Посмотреть, где вы вошли, и завершить лишние входы.',
    'See where you are signed in, and end the sessions you do not need.',
  ],
  homeSlips: ['Листки-приглашения', 'Invitation slips'],
  homeSlipsAbout: [
    'Для классных руководителей и администраторов: напечатать приглашения для учеников.',
    'For class teachers and administrators: print the invitations of pupils.',
  ],
  homeLink: ['У меня есть ссылка-приглашение', 'I have an invitation link'],
  homeLinkAbout: [
    'Откройте её целиком, как вам её прислали: в ней есть код. Если она не открывается, попросите в школе новую.',
    'Open the whole link as it was sent to you: it contains the code. If it does not open, ask your school for a new one.',
  ],
  homeExplorer: ['Обозреватель API', 'API explorer'],
  homeExplorerAbout: ['Для разработчиков: схема, запросы и подписки.', 'For developers: the schema, queries and subscriptions.'],
  homeHealth: ['Состояние сервера', 'Server health'],
  homeHealthAbout: ['Для администраторов: готов ли сервер отвечать.', 'For operators: whether the server is ready to answer.'],
  toHome: ['На главную', 'Go to the start page'],
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
  passwordHint: ['Не меньше 8 символов. Никому его не говорите.', 'At least 8 characters. Do not share it with anyone.'],
  join: ['Создать учётную запись и присоединиться', 'Create an account and join'],
  haveAccount: ['У меня уже есть учётная запись', 'I already have an account'],
  noAccountYet: ['У меня ещё нет учётной записи', 'I have no account yet'],
  accept: ['Войти и принять приглашение', 'Sign in and accept'],
  hello: ['Здравствуйте', 'Hello'],
  personalAbout: [
    'Школа уже внесла вас в список. Осталось выбрать логин и пароль, с которыми вы будете входить.',
    'Your school has you on its list already. Just choose a sign-in name and a password.',
  ],
  joinPersonal: ['Сохранить и присоединиться', 'Save and join'],
  notYou: [
    'Это не вы? Ничего не заполняйте и верните листок тому, кто его дал.',
    'Is this not you? Leave the form empty and return the slip to whoever gave it to you.',
  ],
  joinedTitle: ['Готово, вы присоединились к школе', 'Done, you have joined the school'],
  joinedNext: ['Что дальше', 'What’s next'],
  joinedApp: ['Откройте приложение или сайт, которым пользуется ваша школа.', 'Open the app or the site that your school uses.'],
  joinedSignIn: ['Войдите со своим логином и паролем.', 'Sign in with your sign-in name and password.'],
  joinedKeep: [
    'Храните пароль в секрете. Где вы вошли, видно на странице «Мои входы».',
    'Keep the password secret. The page “My sessions” shows where you are signed in.',
  ],

  classesTitle: ['Листки-приглашения', 'Invitation slips'],
  classesAbout: [
    'Выберите класс, чтобы напечатать листки для учеников, которые ещё не вступили.',
    'Choose a class to print slips for the pupils who have not joined yet.',
  ],
  classesNone: [
    'Здесь появятся классы, в которых вы классный руководитель, а у администратора платформы — все классы школы с учениками.',
    'This page lists the classes whose class teacher you are and, for platform administrators, all classes of the school with pupils.',
  ],
  classJoined: ['Все вступили', 'Everyone has joined'],
  slipsTitle: ['Приглашения класса', 'Invitations of class'],
  slipsAbout: [
    'Напечатайте листы, разрежьте их по пунктиру и отдайте каждому ученику его листок. По чужому листку можно вступить вместо другого ученика, поэтому не фотографируйте листки и не отправляйте их в чаты.',
    'Print the sheets, cut them along the dashed lines and give each pupil their own slip. Whoever has someone else’s slip can join in that pupil’s place, so do not photograph the slips or post them in chats.',
  ],
  slipsLeft: ['Ещё не вступили', 'Not joined yet'],
  slipsPrint: ['Печать', 'Print'],
  slipsNone: ['Все ученики класса уже вступили. Печатать нечего.', 'Every pupil of the class has joined. There is nothing to print.'],
  slipsWithoutLink: [
    'Для этих учеников нет действующего приглашения. Администратор платформы может выпустить новое:',
    'These pupils have no valid invitation. The platform administrator can issue a new one:',
  ],
  slipsLocal: [
    'Адрес этого сервера открывается только на этом компьютере, поэтому коды на листках не сработают на телефонах. Администратор сервера задаёт настоящий адрес настройкой PUBLIC_URL.',
    'The address of this server opens on this computer only, so the codes on the slips will not work on phones. The operator of the server sets the real address with PUBLIC_URL.',
  ],
  slipScan: [
    'Наведите камеру телефона на код или наберите в браузере адрес внизу.',
    'Point your phone’s camera at the code, or type the address below into a browser.',
  ],
  slipChoose: [
    'Придумайте логин и пароль, запишите их для себя.',
    'Choose a sign-in name and a password, and write them down for yourself.',
  ],
  slipSecret: ['Не показывайте листок другим.', 'Do not show this slip to others.'],
  slipUntil: ['Действует один раз, до', 'Works once, until'],
  slipCode: ['QR-код со ссылкой для', 'QR code with the link for'],

  sessionsTitle: ['Мои входы', 'My sessions'],
  sessionsAbout: [
    'Здесь видно, где вы вошли. Не узнаёте устройство? Завершите вход на нём и скажите об этом в школе.',
    'This is where you are signed in. If you do not recognise a device, end its session and tell your school.',
  ],
  unknownDevice: ['Неизвестное устройство', 'Unknown device'],
  thisSession: ['Это устройство', 'This device'],
  lastUsed: ['Последний раз', 'Last used'],
  begun: ['Вход', 'Signed in'],
  endSession: ['Завершить', 'End'],
  endOthers: ['Завершить все, кроме этого', 'End all other sessions'],
  ended: ['Готово: вход завершён.', 'Done: the session has ended.'],

  forgotten: ['Забыли пароль?', 'Forgotten your password?'],
  forgottenAbout: [
    'Вашего пароля не знает никто, поэтому напомнить его нельзя. Вам дадут ссылку, по которой вы зададите новый.',
    'Nobody knows your password, so nobody can remind you of it. You will get a link to set a new one.',
  ],
  askPupil: ['Вы учитесь в школе', 'You are a pupil'],
  askPupilWhom: [
    'Обратитесь к классному руководителю: он получит ссылку у администратора платформы и передаст её вам.',
    'Ask your class teacher, who gets the link from the platform administrator and hands it over to you.',
  ],
  askStaff: ['Вы работаете в школе', 'You work at a school'],
  askStaffWhom: ['Обратитесь к администратору платформы в вашей школе.', 'Ask the platform administrator of your school.'],
  askAdministrator: ['Вы администратор платформы', 'You are the platform administrator'],
  askAdministratorWhom: [
    'Обратитесь к другому администратору школы или к тому, кто обслуживает этот сервер.',
    'Ask another administrator of your school, or the operator of this server.',
  ],
  mailTitle: ['Получить ссылку по почте', 'Get the link by e-mail'],
  mailAbout: [
    'Введите свой логин. Ссылка придёт на почту, которую вы указали в своём профиле.',
    'Enter your sign-in name. The link is sent to the e-mail address in your profile.',
  ],
  mailSend: ['Отправить ссылку', 'Send the link'],
  mailSent: [
    'Если такой логин есть и в профиле указана почта, письмо придёт в течение нескольких минут. Не пришло? Обратитесь к тем, кто указан выше.',
    'If the name exists and its profile has an e-mail address, the mail arrives within a few minutes. If it does not, ask the people named above.',
  ],

  changeTitle: ['Сменить пароль', 'Change your password'],
  changeAbout: [
    'На других устройствах вход завершится: войдите там с новым паролем.',
    'Your other sessions will end: sign in there with the new password.',
  ],
  currentPassword: ['Нынешний пароль', 'Current password'],
  newPassword: ['Новый пароль', 'New password'],
  repeatedPassword: ['Новый пароль ещё раз', 'New password again'],
  savePassword: ['Сохранить пароль', 'Save the password'],
  changedTitle: ['Пароль изменён', 'The password has been changed'],
  changedSignIn: [
    'Откройте приложение или сайт своей школы и войдите с логином и новым паролем.',
    'Open the app or the site of your school, and sign in with your sign-in name and the new password.',
  ],
  changedElsewhere: [
    'На остальных устройствах вход завершён, прежний пароль больше не действует.',
    'Your sessions elsewhere have ended, and the former password no longer works.',
  ],
  resetTitle: ['Новый пароль', 'A new password'],
  resetAbout: ['Придумайте новый пароль. Эта ссылка действует один раз.', 'Choose a new password. This link works only once.'],
  noPasswordLink: [
    'Ссылка неверна, уже использована или устарела. Получите новую там же, где получили эту.',
    'This link is wrong, has been used or has expired. Get a new one the way you got this one.',
  ],

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
    'This sign-in was started too long ago or in another browser. Go back to the app and sign in again.',
  ],
  wrongRequest: [
    'Приложение отправило неверный запрос на вход. Вернитесь в него и попробуйте ещё раз. Если не поможет, сообщите его разработчикам.',
    'The app sent an invalid sign-in request. Go back to it and try again. If that does not help, tell its developers.',
  ],
  forged: ['Форма устарела. Откройте страницу заново и повторите.', 'The form is out of date. Open the page again and send it once more.'],
  formUnreadable: [
    'Форма пришла не в кодировке UTF-8. Откройте страницу заново и повторите.',
    'The form did not arrive in UTF-8. Open the page again and send it once more.',
  ],
  noInvitation: [
    'Такого приглашения нет, или оно больше не действует. Попросите в школе новую ссылку.',
    'This invitation does not exist or is no longer valid. Ask your school for a new link.',
  ],
  notFound: ['Такой страницы нет.', 'There is no such page.'],
  changeUnknown: [
    'Неизвестно, сохранилось ли изменение: база данных не ответила. Откройте страницу и проверьте, прежде чем повторять.',
    'It is unknown whether the change was saved: the database did not answer. Open the page and check before you repeat it.',
  ],
  openPage: ['Открыть страницу', 'Open the page'],
  tryAgain: ['Попробовать ещё раз', 'Try again'],
  failed: ['На сервере произошла ошибка. Попробуйте ещё раз позже.', 'Something went wrong on the server. Try again later.'],
} as const satisfies Record<string, Message>;

export type TextName = keyof typeof texts;

export const say = (language: Language, name: TextName): string => texts[name][language === 'ru' ? 0 : 1];

/** Returns the language that `?lang=` names, or the language of Accept-Language. */
export function languageOf(req: IncomingMessage): Language {
  const fromQuery = /[?&]lang=(ru|en)(?:&|$)/.exec(req.url ?? '')?.[1];
  if (fromQuery === 'ru' || fromQuery === 'en') return fromQuery;
  return languageOfHeader(req.headers['accept-language'] ?? null);
}
