import type { Message } from '../errors.ts';

/**
 * This file has the texts of warnings and errors, by code. Their parameters are ids, numbers, and names of columns,
 * files and classes, but never names of people. A parameter of more than 60 characters is cut.
 */

type Text = (...values: never[]) => Message;

const rows = (count: number) => `${count}`;

/** Errors. The reader leaves out the row with the error, or keeps it with `hasError`. */
// prettier-ignore
export const errorTexts = {
  // The whole file.
  NOTHING_TO_READ: () => ['Файл или папка не найдены, или их нельзя прочитать. Проверьте путь.', 'The file or folder does not exist or cannot be read. Check the path.'],
  FILE_EMPTY: () => ['Файл пуст. Выгрузите его ещё раз.', 'The file is empty. Export it again.'],
  FILE_TOO_LARGE: (limit: number) => [`Файл больше ${limit} МБ. Разделите его.`, `The file is larger than ${limit} MB. Split it.`],
  FILE_BINARY: () => ['Это не текст. Нужен файл CSV или ZIP с файлами CSV.', 'This is not text. A CSV file or a ZIP of CSV files is needed.'],
  SPREADSHEET: () => ['Это книга Excel. Сохраните лист как «CSV UTF-8» и загрузите этот файл.', 'This is an Excel workbook. Save the sheet as “CSV UTF-8” and upload that file.'],
  FORMAT_UNKNOWN: () => ['Формат не распознан: нет ни списка с заголовками «Фамилия» и «Имя», ни набора файлов OneRoster или School Data Sync.', 'The format was not recognised: there is neither a list with the headings «Фамилия» and «Имя» nor a set of OneRoster or School Data Sync files.'],
  FORMAT_MISMATCH: (found: string, expected: string) => [`Это файл в формате ${found}, а указан ${expected}. Укажите верный формат.`, `This is a file of the format ${found}, but ${expected} was stated. State the right format.`],
  VERSION_UNKNOWN: (version: string) => [`Версия OneRoster «${version}» не поддерживается. Нужна 1.1 или 1.2.`, `OneRoster version “${version}” is not supported. Use 1.1 or 1.2.`],
  MANIFEST_INVALID: (name: string, value: string) => [`У свойства «${name}» недопустимое значение «${value}». Возможны bulk, delta и absent.`, `The property “${name}” has the invalid value “${value}”. Use bulk, delta or absent.`],
  FILE_MISSING: (name: string) => [`Нет файла ${name}. Выгрузите весь набор ещё раз.`, `The file ${name} is missing. Export the whole set again.`],
  HEADINGS_UNKNOWN: () => ['Не найдена строка заголовков с «Фамилия» и «Имя» или «ФИО».', 'No line of headings with «Фамилия» and «Имя» or «ФИО» was found.'],
  COLUMN_MISSING: (name: string) => [`Нет столбца «${name}». Добавьте его.`, `The column “${name}” is missing. Add it.`],
  COLUMN_DUPLICATE: (name: string) => [`Столбец «${name}» встречается дважды. Оставьте один.`, `The column “${name}” occurs twice. Keep one.`],
  TOO_MANY_ROWS: (limit: number) => [`В файле больше ${limit} строк. Разделите его.`, `The file has more than ${limit} rows. Split it.`],
  QUOTE_NOT_CLOSED: () => ['Кавычка открыта, но не закрыта до конца файла. Закройте её или удалите.', 'A quotation mark is opened but not closed before the end of the file. Close or remove it.'],
  ROW_TOO_LONG: (limit: number) => [`Строка длиннее ${limit} КБ. Возможно, не закрыта кавычка.`, `The row is longer than ${limit} KB. A quotation mark may not be closed.`],
  SCHOOL_NOT_CHOSEN: (ids: string) => [`В файле несколько школ: ${ids}. Укажите идентификатор своей школы.`, `The file has several schools: ${ids}. State the id of your school.`],
  SCHOOL_NOT_FOUND: (ids: string) => [`Вашей школы в файле нет. В нём есть: ${ids}.`, `Your school is not in the file. It has: ${ids}.`],
  // Archives.
  ZIP_DAMAGED: () => ['Архив повреждён или загружен не полностью. Создайте его заново.', 'The archive is damaged or incomplete. Create it again.'],
  ZIP_ENCRYPTED: () => ['Архив защищён паролем. Создайте архив без пароля.', 'The archive is protected by a password. Create it without one.'],
  ZIP_METHOD: () => ['Архив сжат неподдерживаемым способом. Создайте обычный ZIP.', 'The archive uses an unsupported compression. Create an ordinary ZIP.'],
  ZIP_PATH: () => ['Имя файла в архиве ведёт за его пределы или содержит управляющий символ. Переименуйте файл.', 'The name of a file in the archive leads outside it or has a control character. Rename the file.'],
  ZIP_TOO_MANY_FILES: (limit: number) => [`Файлов больше ${limit}. Оставьте только файлы CSV этого набора.`, `There are more than ${limit} files. Keep only the CSV files of this set.`],
  ZIP_TOO_LARGE: (limit: number) => [`После распаковки файлы займут больше ${limit} МБ. Разделите их.`, `Unpacked, the files take more than ${limit} MB. Split them.`],
  ZIP_BOMB: (limit: number) => [`Файл сжат более чем в ${limit} раз: похоже на вредоносный архив.`, `The file is compressed more than ${limit} times: this looks like a malicious archive.`],
  FILE_DUPLICATE: (name: string) => [`Файл ${name} встречается дважды. Оставьте один.`, `The file ${name} occurs twice. Keep one.`],
  // Rows.
  ROW_RAGGED: (found: number, expected: number) => [`В строке столько значений: ${found}, а столбцов ${expected}. Проверьте разделители и кавычки.`, `The row has ${found} values, but there are ${expected} columns. Check separators and quotation marks.`],
  ID_EMPTY: (column: string) => [`Не заполнен «${column}».`, `“${column}” is empty.`],
  ID_DUPLICATE: (id: string, line: number) => [`Идентификатор «${id}» уже есть в строке ${line}. Он должен быть только один раз.`, `The id “${id}” already stands on line ${line}. It must occur only once.`],
  TEXT_INVALID: (column: string) => [`В «${column}» больше 100 символов, или есть невидимые управляющие символы. Исправьте значение.`, `“${column}” is longer than 100 characters or has invisible control characters. Correct the value.`],
  REFERENCE_MISSING: (column: string, id: string) => [`«${column}» указывает на «${id}», а такой записи нет.`, `“${column}” refers to “${id}”, which does not exist.`],
  ORG_CYCLE: (id: string) => [`Организация «${id}» подчинена сама себе через цепочку parentSourcedId. Исправьте цепочку.`, `The organisation “${id}” is its own parent through parentSourcedId. Correct the chain.`],
  VALUE_UNKNOWN: (column: string, value: string) => [`Недопустимое значение «${value}» в «${column}».`, `“${column}” has the invalid value “${value}”.`],
  NAME_EMPTY: (column: string) => [`Не заполнено «${column}». Укажите фамилию и имя.`, `“${column}” is empty. Fill in surname and given name.`],
  NAME_INVALID: (column: string) => [`В «${column}» нет ни одной буквы, или текст длиннее 100 символов.`, `“${column}” has no letter or is longer than 100 characters.`],
  DATE_INVALID: (column: string, form: string) => [`В «${column}» должна быть дата вида ${form}.`, `“${column}” must hold a date of the form ${form}.`],
  CLASS_NAME_INVALID: (name: string) => [`«${name}» – не класс. Нужны параллель от 1 до 11 и литера до 15 символов, например 5А.`, `“${name}” is no class. A grade from 1 to 11 and a letter of up to 15 characters are needed, such as 5А.`],
  CLASS_DUPLICATE: (name: string, line: number) => [`Класс ${name} уже есть в строке ${line}.`, `The class ${name} already stands on line ${line}.`],
  ROLE_UNKNOWN: (role: string) => [`Роль «${role}» неизвестна. Возможны: ученик, учитель, администрация, администратор.`, `The role “${role}” is unknown. Use ученик, учитель, администрация or администратор.`],
  PERSON_DUPLICATE: (line: number) => [`Такой же человек уже есть в строке ${line}. Удалите повтор или укажите даты рождения.`, `The same person already stands on line ${line}. Remove the repetition or add birth dates.`],
  TWO_CLASSES: (first: string, line: number) => [`Этот ученик уже в классе ${first} (строка ${line}). Ученик учится только в одном классе.`, `This pupil is already in class ${first} (line ${line}). A pupil is in one class only.`],
} as const satisfies Record<string, Text>;

/** Warnings. The reader could read the file, and the text says how. */
// prettier-ignore
export const warningTexts = {
  BYTE_ORDER_MARK: () => ['В начале файла есть метка BOM; она пропущена.', 'The file starts with a byte order mark, which was skipped.'],
  ENCODING_WINDOWS_1251: () => ['Файл прочитан в кодировке Windows-1251.', 'The file was read as Windows-1251.'],
  ENCODING_UTF_16: () => ['Файл прочитан в кодировке UTF-16.', 'The file was read as UTF-16.'],
  LINE_ENDS: () => ['Строки разделены символом CR; прочитано как обычно.', 'Lines end with CR alone; they were read as usual.'],
  DELIMITER: (delimiter: string) => [`Разделитель – ${delimiter}, а не запятая; прочитано с ним.`, `The separator is ${delimiter} instead of a comma; it was read so.`],
  MANIFEST_MISSING: () => ['Нет manifest.csv; все файлы считаются полными.', 'There is no manifest.csv; all files are taken as complete.'],
  FILE_IGNORED: (name: string) => [`Файл ${name} не используется.`, `The file ${name} is not used.`],
  FILE_NOT_DECLARED: (name: string) => [`Файла ${name} по manifest.csv нет; он не прочитан.`, `By manifest.csv there is no ${name}; it was not read.`],
  FILES_IN_FOLDER: (folder: string) => [`Файлы лежат в папке «${folder}», а должны быть в корне архива.`, `The files are in the folder “${folder}” instead of the root of the archive.`],
  HEADING_CORRECTED: (found: string, expected: string) => [`Столбец «${found}» прочитан как «${expected}».`, `The column “${found}” was read as “${expected}”.`],
  COLUMN_IGNORED: (name: string) => [`Столбец «${name}» не используется.`, `The column “${name}” is not used.`],
  PASSWORDS_IGNORED: (name: string) => [`Столбец «${name}» не используется: логин и пароль каждый выбирает сам. Не храните пароли в файлах.`, `The column “${name}” is not used: people choose their own logins and passwords. Keep no passwords in files.`],
  STATUS_IN_BULK: (count: number) => [`В полной выгрузке status должен быть пуст; заполнен в строках: ${rows(count)}. Учтено только tobedeleted и inactive.`, `In a bulk file status must be empty; it is filled in ${rows(count)} rows. Only tobedeleted and inactive count.`],
  VALUE_CASE: (column: string, value: string) => [`«${value}» в «${column}» прочитано без учёта регистра.`, `“${value}” in “${column}” was read whatever its case.`],
  FORMULA_CELL: (column: string) => [`В «${column}» похоже на формулу; взято как текст.`, `“${column}” looks like a formula; it was taken as text.`],
  ROLE_DIFFERS: (id: string, role: string) => [`У «${id}» в списке людей другая роль, чем в зачислениях. Взята роль из зачислений: ${role}.`, `“${id}” has another role among the users than in the enrolments. The one of the enrolments was taken: ${role}.`],
  ROLE_IGNORED: (role: string, count: number) => [`Роль «${role}» не переносится; строк: ${rows(count)}.`, `The role “${role}” is not imported; rows: ${rows(count)}.`],
  ROLE_MISSING: (id: string) => [`У «${id}» нет роли.`, `“${id}” has no role.`],
  OTHER_SCHOOL: (count: number) => [`Относится к другим организациям и не прочитано строк: ${rows(count)}.`, `Rows of other organisations, which were left out: ${rows(count)}.`],
  GRADE_DIFFERS: (name: string, grade: string) => [`У класса ${name} в grades указано «${grade}»; взято из названия.`, `The class ${name} has “${grade}” in grades; its name was followed.`],
  CLASS_NAME_NOT_UNDERSTOOD: (name: string) => [`Из названия «${name}» не видно, какой это класс; группа не перенесена.`, `The name “${name}” does not tell which class it is; the section was left out.`],
  MEMBERS_LEFT_OUT: (count: number) => [`Не перенесены записи о группах, класс которых не понят; строк: ${rows(count)}.`, `Rows about sections whose class was not understood were left out: ${rows(count)}.`],
  SUBJECT_MISSING: (name: string) => [`У группы «${name}» нет предмета; взят предмет из её названия.`, `The section “${name}” has no subject; its name was used.`],
  SEVERAL_CLASS_TEACHERS: (name: string) => [`У класса ${name} несколько классных руководителей; взят первый.`, `The class ${name} has several class teachers; the first was taken.`],
  OUTSIDE_FILE: (id: string) => [`Группы «${id}» в этих изменениях нет, поэтому назначение учителя не прочитано.`, `The section “${id}” is not in these changes, so the teacher's assignment was left out.`],
  CLASS_EMPTY: () => ['Класс не указан: ученик будет без класса.', 'No class is given: the pupil will be without a class.'],
  NO_CLASS_COLUMN: () => ['Нет столбца «Класс»: ученики прочитаны без классов.', 'There is no column «Класс»: pupils were read without classes.'],
  NAMESAKES: (line: number) => [`Полный тёзка есть в строке ${line}; это разные люди. Укажите даты рождения, чтобы их различать.`, `A namesake stands on line ${line}; they are taken as two people. Add birth dates to tell them apart.`],
} as const satisfies Record<string, Text>;

export type ErrorCode = keyof typeof errorTexts;

export type WarningCode = keyof typeof warningTexts;
