import type { Message } from '../errors.ts';

/** Messages for refused requests, Russian first. src/http/graphql/limits.ts has the messages for its limits. */
export const messages = {
  internal: ['На сервере произошла ошибка, она записана в журнал.', 'Something went wrong on our side; it has been noted.'],
  notFound: ['По этому адресу ничего нет.', 'There is nothing at this address.'],
  originForbidden: ['Этого сайта нет среди разрешённых (ALLOWED_ORIGINS).', 'This origin is not among the allowed ones (ALLOWED_ORIGINS).'],
  csrfHeaderRequired: [
    'Отправьте заголовок Authorization, X-Requested-With или Content-Type: application/json.',
    'Send Authorization, X-Requested-With or Content-Type: application/json.',
  ],
  methodNotAllowed: ['GraphQL отвечает только на запросы GET и POST.', 'GraphQL only supports GET and POST requests.'],
  mediaTypeUnsupported: ['Отправьте тело запроса с Content-Type: application/json.', 'Send the body with Content-Type: application/json.'],
  charsetUnsupported: ['Отправьте тело запроса в кодировке UTF-8.', 'Send the body in UTF-8.'],
  codingUnsupported: [
    'Отправьте тело запроса без сжатия или с одним Content-Encoding: gzip, deflate или br.',
    'Send the body uncompressed, or with one Content-Encoding: gzip, deflate or br.',
  ],
  notCompressed: [
    'Тело запроса не распаковывается: оно сжато не так, как указано в Content-Encoding.',
    'The body is not compressed in the way that Content-Encoding says.',
  ],
  textMalformed: ['Отправьте текст запроса в кодировке UTF-8.', 'The text of the request is not valid UTF-8.'],
  urlMalformed: [
    'Адрес запроса закодирован неверно: нужен UTF-8 в процентной кодировке.',
    'The query string is not percent-encoded UTF-8.',
  ],
  parameterMalformed: [
    'Параметры variables и extensions должны быть в формате JSON.',
    'The parameters variables and extensions must be JSON.',
  ],
  notAcceptable: [
    'Укажите в Accept application/graphql-response+json или application/json, а для подписки — text/event-stream.',
    'Accept application/graphql-response+json or application/json; for a stream, text/event-stream.',
  ],
  expectationFailed: ['В заголовке Expect поддерживается только 100-continue.', 'The Expect header supports only 100-continue.'],
  notHttp: ['Это не запрос HTTP.', 'This is not an HTTP request.'],
  headersTooLarge: ['Заголовки запроса слишком велики.', 'The headers of the request are too large.'],
  timedOut: ['Запрос передавался слишком долго.', 'The request took too long to arrive.'],
} as const satisfies Record<string, Message>;

export const bodyTooLarge = (bytes: number): Message => [
  `Тело запроса слишком велико: больше ${bytes} байт.`,
  `The body is too large: more than ${bytes} bytes.`,
];
