import { createClient, endClient } from '../domain/clients.ts';
import { bindIdentity } from '../domain/identities.ts';
import { invalid } from '../errors.ts';
import { list, schoolIdIn, schoolOption, text, type Command } from './command.ts';

/** `npx sfera create-frontend`, `create-service`, `end-client` and `bind-identity`. */

export const createFrontendCommand: Command = {
  about: [
    'зарегистрировать приложение, в которое входят люди (код авторизации с PKCE)',
    'register a frontend that signs people in (authorization code with PKCE)',
  ],
  usage: '--name NAME --redirect-uri URL [--redirect-uri URL …]',
  options: {
    '*name': ['название, которое видит каждый входящий', 'name shown to everyone who signs in'],
    '*redirect-uri': [
      'куда можно отправлять коды авторизации; можно указать несколько раз',
      'where authorization codes may be sent; may be repeated',
    ],
  },
  repeated: ['redirect-uri'],
  async run({ operator }, values) {
    const { client } = await createClient(operator, {
      kind: 'frontend',
      name: text(values, 'name'),
      redirectUris: list(values, 'redirect-uri'),
    });
    return [`client_id  ${client.id}`];
  },
};

export const createServiceCommand: Command = {
  about: [
    'зарегистрировать сервис, который обращается к API от своего имени (client_credentials)',
    'register a service that calls the API on its own behalf (client_credentials)',
  ],
  usage: '--name NAME --school ID --scope read [--scope events] [--scope roster]',
  options: {
    '*name': ['название для оператора', 'name shown to the operator'],
    '*school': schoolOption,
    '*scope': ['read, events или roster; можно указать несколько раз', 'read, events or roster; may be repeated'],
  },
  repeated: ['scope'],
  async run({ operator }, values) {
    const input = { kind: 'service', name: text(values, 'name'), schoolId: schoolIdIn(values), scopes: list(values, 'scope') } as const;
    const { client, secret } = await createClient(operator, input);
    return [`client_id      ${client.id}`, `client_secret  ${secret}`, 'Save the secret now: it is not shown again.'];
  },
};

export const endClientCommand: Command = {
  about: ['отключить приложение или сервис и завершить его сеансы', 'end a frontend or a service, and its sessions'],
  usage: '--client ID',
  options: { '*client': ['его client_id', 'its client_id'] },
  async run({ operator }, values) {
    const client = await endClient(operator, { clientId: text(values, 'client') });
    return [`Client ${client.id} was ended.`];
  },
};

export const bindIdentityCommand: Command = {
  about: [
    'разрешить человеку входить с токенами доверенного издателя (TRUSTED_ISSUERS)',
    'let a person sign in with tokens of a trusted issuer (TRUSTED_ISSUERS)',
  ],
  usage: '--user SIGN_IN_NAME --issuer URL --subject TEXT',
  options: {
    '*user': ['логин человека', 'sign-in name of the person'],
    '*issuer': ['`iss` его токенов', 'the `iss` of its tokens'],
    '*subject': ['`sub` человека в его токенах', 'the `sub` of the person in its tokens'],
  },
  async run({ operator, db }, values) {
    const user = await db.prisma.user.findUnique({ where: { signInName: text(values, 'user').toLowerCase() } });
    if (user === null) throw invalid('user', ['Пользователя с таким логином нет.', 'There is no user with this sign-in name.']);
    await bindIdentity(operator, { userId: user.id, issuer: text(values, 'issuer'), subject: text(values, 'subject') });
    return ['The identity was bound.'];
  },
};
