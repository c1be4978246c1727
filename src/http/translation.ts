import type { Message } from '../errors.ts';

/**
 * Translates messages of graphql-js 16 and Yoga 5. Removes suggested names and the client's values. An unknown message
 * becomes a general sentence in Russian; test/http/translation.test.ts fails for a validation rule whose message is
 * missing here.
 */

/**
 * Returns a message in both languages.
 * @param reason the message of the error that graphql-js wrapped. A message about a variable may end with this text.
 */
export function translate(message: string, reason?: string): Message {
  const variable = /^Variable "\$\w+" got invalid value /.exec(message)?.[0];
  if (variable === undefined) {
    const english = withoutValues(message);
    return [inRussian(english), english];
  }
  // Searches from the end, because the client's value may contain any text.
  const end = reason === undefined ? '' : `; ${reason}`;
  const path = / at "(\$?[\w.[\]]+)"$/.exec(message.slice(0, message.length - end.length))?.[1];
  const name = /\$\w+/.exec(variable)![0];
  const shownReason = reason === undefined ? undefined : withoutValues(reason);
  return [
    `Значение переменной «${name}»${path === undefined ? '' : ` в «${path}»`} не подходит${shownReason === undefined ? '.' : `. ${inRussian(shownReason)}`}`,
    `Variable "${name}" got an invalid value${path === undefined ? '' : ` at "${path}"`}${shownReason === undefined ? '.' : `; ${shownReason}`}`,
  ];
}

const withoutValues = (message: string): string =>
  message
    .replace(/,? did you mean .*$/is, (hint) => (hint.startsWith(',') ? '.' : ''))
    .replace(/^Value .*? does not exist in "(\w+)" enum\.$/s, 'The value does not exist in the enum "$1".')
    .replace(/(cannot represent[^:]{0,60}): .*$/s, '$1.')
    .replace(/^(Expected value of type "[^"]*"), found .*$/s, '$1.')
    .replace(/^(Argument "[^"]*" has invalid value) .*$/s, '$1.')
    .replace(/^(Syntax Error: .*?\b(?:String|BlockString|Int|Float)) ".*$/s, '$1.')
    .replace(/^(Syntax Error: (?:Invalid|Unterminated) [\w ]+).*$/s, '$1.');

const unknown = 'Запрос составлен неверно.';

function inRussian(message: string): string {
  for (const [pattern, russian] of sentences) if (pattern.test(message)) return message.replace(pattern, russian as string);
  return unknown;
}

type Sentence = readonly [pattern: RegExp, russian: string | ((message: string, ...groups: string[]) => string)];

const tokens: Record<string, string> = {
  Name: 'имя',
  Int: 'целое число',
  Float: 'число',
  String: 'строка',
  BlockString: 'строка',
  Comment: 'комментарий',
  '<EOF>': 'конец документа',
  '<SOF>': 'начало документа',
};

/** Translates a token as the parser prints it: `Name`, `Name "value"`, or a punctuator in quotes. */
function token(printed: string): string {
  const [, kind = '', value] = /^(\S+?)(?: "(.*)")?$/.exec(printed) ?? [];
  const known = tokens[kind];
  if (known === undefined) return `«${printed.replaceAll('"', '')}»`;
  return value === undefined ? known : `${known} «${value}»`;
}

const conflict = (reason: string): string =>
  reason
    .replace(/subfields "([^"]*)" conflict because /g, 'вложенные поля «$1» противоречат друг другу: ')
    .replace(/"([^"]*)" and "([^"]*)" are different fields/g, '«$1» и «$2» — разные поля')
    .replace(/they have differing arguments/g, 'у них разные аргументы')
    .replace(/they return conflicting types "([^"]*)" and "([^"]*)"/g, 'у них разные типы «$1» и «$2»')
    .replaceAll(' and ', ' и ');

const operations: Record<string, string> = { query: 'запрос', mutation: 'изменение', subscription: 'подписку' };

// prettier-ignore
const sentences: readonly Sentence[] = [
  // Syntax
  [/^Syntax Error: Expected (.+?), found (.+)\.$/s, (_all, expected, found) => `Синтаксическая ошибка в запросе: ожидалось ${token(expected)}, а встретилось ${token(found)}.`],
  [/^Syntax Error: Unexpected single quote character.*$/s, 'Синтаксическая ошибка в запросе: вместо одинарной кавычки нужна двойная.'],
  [/^Syntax Error: Unexpected character: (.+)\.$/s, (_all, found) => `Синтаксическая ошибка в запросе: лишний знак ${token(found)}.`],
  [/^Syntax Error: Unexpected variable "(.+)" in constant value\.$/, 'Синтаксическая ошибка в запросе: здесь не может стоять переменная «$1».'],
  [/^Syntax Error: Unexpected description.*$/s, 'Синтаксическая ошибка в запросе: здесь не может стоять описание.'],
  [/^Syntax Error: Unexpected (.+)\.$/s, (_all, found) => `Синтаксическая ошибка в запросе: здесь не может стоять ${token(found)}.`],
  [/^Syntax Error: Invalid number\.$/, 'Синтаксическая ошибка в запросе: неверно записано число.'],
  [/^Syntax Error: Invalid character within String\.$/, 'Синтаксическая ошибка в запросе: в строке стоит недопустимый знак.'],
  [/^Syntax Error: Invalid (?:Unicode|character) escape sequence\.$/, 'Синтаксическая ошибка в запросе: в строке неверно записан знак после обратной косой черты.'],
  [/^Syntax Error: Unterminated string\.$/, 'Синтаксическая ошибка в запросе: строка не закрыта кавычкой.'],
  [/^Syntax Error: .*$/s, 'Синтаксическая ошибка в запросе.'],
  // Validation
  [/^The (.+) definition is not executable\.$/, 'Определение «$1» нельзя выполнить.'],
  [/^Cannot query field "([^"]*)" on type "([^"]*)"\.$/, 'У типа «$2» нет поля «$1».'],
  [/^Fragment (?:"([^"]*)" )?cannot condition on non composite type "([^"]*)"\.$/, 'Фрагмент не может относиться к типу «$2»: у него нет полей.'],
  [/^Unknown argument "([^"]*)" on field "([^"]*)"\.$/, 'У поля «$2» нет аргумента «$1».'],
  [/^Unknown argument "([^"]*)" on directive "([^"]*)"\.$/, 'У директивы «$2» нет аргумента «$1».'],
  [/^Unknown directive "([^"]*)"\.$/, 'Директивы «$1» нет.'],
  [/^Directive "([^"]*)" may not be used on (\w+)\.$/, 'Директива «$1» не может стоять здесь ($2).'],
  [/^Unknown fragment "([^"]*)"\.$/, 'Фрагмента «$1» нет.'],
  [/^Unknown type "([^"]*)"\.$/, 'Типа «$1» нет.'],
  [/^This anonymous operation must be the only defined operation\.$/, 'Операция без имени может быть в документе только одна.'],
  [/^Maximum introspection depth exceeded$/, 'Схема запрошена слишком глубоко.'],
  [/^Cannot spread fragment "([^"]*)" within itself(?: via (.+))?\.$/, 'Фрагмент «$1» содержит сам себя.'],
  [/^Variable "([^"]*)" is not defined(?: by operation "([^"]*)")?\.$/, 'Переменная «$1» не объявлена.'],
  [/^Fragment "([^"]*)" is never used\.$/, 'Фрагмент «$1» не используется.'],
  [/^Variable "([^"]*)" is never used(?: in operation "([^"]*)")?\.$/, 'Переменная «$1» не используется.'],
  [/^Fields "([^"]*)" conflict because (.+)\. Use different aliases on the fields to fetch both if this was intentional\.$/s, (_all, name, reason) => `Поля «${name}» противоречат друг другу: ${conflict(reason)}. Если нужны оба, дайте им разные псевдонимы.`],
  [/^Fragment "([^"]*)" cannot be spread here as objects of type "([^"]*)" can never be of type "([^"]*)"\.$/, 'Фрагмент «$1» не может стоять здесь: «$2» не бывает типа «$3».'],
  [/^Fragment cannot be spread here as objects of type "([^"]*)" can never be of type "([^"]*)"\.$/, 'Фрагмент не может стоять здесь: «$1» не бывает типа «$2».'],
  [/^Field "([^"]*)" argument "([^"]*)" of type "([^"]*)" is required, but it was not provided\.$/, 'Полю «$1» нужен аргумент «$2» типа «$3».'],
  [/^Directive "([^"]*)" argument "([^"]*)" of type "([^"]*)" is required, but it was not provided\.$/, 'Директиве «$1» нужен аргумент «$2» типа «$3».'],
  [/^Field "([^"]*)" must not have a selection since type "([^"]*)" has no subfields\.$/, 'У поля «$1» типа «$2» нет вложенных полей.'],
  [/^Field "([^"]*)" of type "([^"]*)" must have (?:a selection of subfields|at least one field selected)\.$/, 'Укажите, какие поля нужны от «$1» типа «$2».'],
  [/^(?:Subscription "([^"]*)"|Anonymous Subscription) must select only one top level field\.$/, 'В подписке может быть только одно поле верхнего уровня.'],
  [/^(?:Subscription "([^"]*)"|Anonymous Subscription) must not select an introspection top level field\.$/, 'В подписке нельзя запрашивать схему.'],
  [/^There can be only one argument named "([^"]*)"\.$/, 'Аргумент «$1» указан дважды.'],
  [/^The directive "([^"]*)" can only be used once at this location\.$/, 'Директива «$1» может стоять здесь только один раз.'],
  [/^There can be only one fragment named "([^"]*)"\.$/, 'Фрагмент «$1» определён дважды.'],
  [/^There can be only one input field named "([^"]*)"\.$/, 'Поле «$1» указано дважды.'],
  [/^There can be only one operation named "([^"]*)"\.$/, 'Операция «$1» определена дважды.'],
  [/^There can be only one variable named "([^"]*)"\.$/, 'Переменная «$1» объявлена дважды.'],
  [/^Variable "([^"]*)" cannot be non-input type "([^"]*)"\.$/, 'Переменная «$1» не может быть типа «$2».'],
  [/^Variable "([^"]*)" of type "([^"]*)" used in position expecting type "([^"]*)"\.$/, 'Переменная «$1» типа «$2» стоит там, где нужен тип «$3».'],
  [/^Variable "([^"]*)" is of type "([^"]*)" but must be non-nullable to be used for OneOf Input Object "([^"]*)"\.$/, 'Переменная «$1» типа «$2» должна быть обязательной, чтобы стоять в «$3».'],
  // Values
  [/^Field "([^"]*)" of required type "([^"]*)" was not provided\.$/, 'Не указано обязательное поле «$1» типа «$2».'],
  [/^Field "([^"]*)" is not defined by type "([^"]*)"\.$/, 'У типа «$2» нет поля «$1».'],
  [/^Field "([^"]*)" must be non-null\.$/, 'Поле «$1» не может быть null.'],
  [/^(?:OneOf Input Object "([^"]*)" must specify exactly one key|Exactly one key must be specified for OneOf type "([^"]*)")\.$/, 'Укажите ровно одно поле.'],
  [/^Expected value of type "([^"]*)"\.$/, 'Здесь нужно значение типа «$1».'],
  [/^Expected type "([^"]*)"\.(?: .*)?$/s, 'Здесь нужно значение типа «$1».'],
  [/^Expected type "([^"]*)" to be an object\.$/, 'Значение типа «$1» должно быть объектом.'],
  [/^Expected non-nullable type "([^"]*)" not to be null\.$/, 'Значение типа «$1» не может быть null.'],
  [/^Variable "([^"]*)" expected value of type "([^"]*)" which cannot be used as an input type\.$/, 'Переменная «$1» не может быть типа «$2».'],
  [/^(Variable|Argument) "([^"]*)" of required type "([^"]*)" was not provided\.$/, (_all, what, name, type) => `Не ${what === 'Variable' ? 'указана обязательная переменная' : 'указан обязательный аргумент'} «${name}» типа «${type}».`],
  [/^Argument "([^"]*)" of required type "([^"]*)" was provided the variable "([^"]*)" which was not provided a runtime value\.$/, 'Обязательный аргумент «$1» типа «$2» взят из переменной «$3», а она не указана.'],
  [/^(Variable|Argument) "([^"]*)" of non-null type "([^"]*)" must not be null\.$/, (_all, what, name, type) => `${what === 'Variable' ? 'Переменная' : 'Аргумент'} «${name}» типа «${type}» не может быть null.`],
  [/^Argument "([^"]*)" has invalid value\.$/, 'Значение аргумента «$1» не подходит.'],
  [/^Too many errors processing variables, error limit reached\. Execution aborted\.$/, 'В переменных слишком много ошибок.'],
  [/^Int cannot represent non-integer value\.$/, 'Здесь нужно целое число.'],
  [/^Int cannot represent non 32-bit signed integer value\.$/, 'Целое число должно быть от −2147483648 до 2147483647.'],
  [/^Float cannot represent non numeric value\.$/, 'Здесь нужно число.'],
  [/^String cannot represent a non string value\.$/, 'Здесь нужна строка.'],
  [/^Boolean cannot represent a non boolean value\.$/, 'Здесь нужно true или false.'],
  [/^ID cannot represent (?:a non-string and non-integer )?value\.$/, 'Здесь нужен идентификатор: строка.'],
  [/^Enum "([^"]*)" cannot represent (?:non-string |non-enum )?value\.$/, 'Здесь нужно одно из значений перечисления «$1».'],
  [/^The value does not exist in the enum "([^"]*)"\.$/, 'Такого значения нет в перечислении «$1».'],
  [/^DateTime must be .*$/s, 'Момент времени записывается по RFC 3339, например 2026-09-01T08:00:00Z.'],
  [/^Date must be .*$/s, 'День записывается как 2026-09-01.'],
  // Choice of the operation
  [/^Must provide operation name if query contains multiple operations\.$/, 'В документе несколько операций: укажите operationName.'],
  [/^Unknown operation named "([^"]*)"\.$/, 'Операции «$1» в документе нет.'],
  [/^Must provide an operation\.$/, 'В документе нет операции.'],
  [/^Could not determine what operation to execute\.$/, 'Непонятно, какую операцию выполнить: укажите operationName.'],
  [/^Schema is not configured to execute (\w+) operation\.$/, (_all, kind) => `Схема не поддерживает ${operations[kind] ?? 'эту операцию'}.`],
  // Requests of GraphQL over HTTP, by Yoga
  [/^POST body sent invalid JSON\.$/, 'Тело запроса — не JSON.'],
  [/^POST body is expected to be object but received .+$/s, 'Тело запроса должно быть объектом JSON.'],
  [/^Expected params to be an object but given .+$/s, 'Тело запроса должно быть объектом JSON.'],
  [/^Invalid "params" in the request body$/, 'Тело запроса должно быть объектом JSON.'],
  [/^Unexpected parameter "(.*)" in the request body\.$/s, 'В теле запроса лишний параметр «$1».'],
  [/^Must provide query string\.$/, 'Укажите текст запроса в параметре query.'],
  [/^Expected "(\w+)" param to be (?:empty or )?an object, but given .+$/s, 'Параметр «$1» должен быть объектом.'],
  [/^Expected "(\w+)" param to be a string, but given .+$/s, 'Параметр «$1» должен быть строкой.'],
  [/^Batching is not supported\.$/, 'Отправляйте операции по одной.'],
  [/^Can only perform a mutation operation from a POST request\.$/, 'Изменения отправляются методом POST.'],
  [/^GraphQL only supports GET and POST requests\.$/, 'GraphQL отвечает только на запросы GET и POST.'],
];
