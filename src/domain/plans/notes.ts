import type { Message } from '../../errors.ts';

/** The note of a plan’s row says why the row is in ERROR, why its change is withheld, or what the change leaves out. */

export interface Note {
  code: string;
  message: Message;
}

/** The notes of the rows of plans, by code. src/roster/README.md lists the further codes of the file reader. */
export const notes = {
  NAMESAKES: [
    'Под это описание подходят несколько человек в школе или в файле. Добавьте в файл дату рождения или идентификатор.',
    'Several people of the school or of the file match this row. Add a birth date or an id to the file.',
  ],
  ROLE_MISSING: [
    'Не сказано, ученик это или сотрудник. Укажите класс или роль.',
    'The file does not say whether this is a pupil or a member of staff. Give a class or a role.',
  ],
  ROLE_CONFLICT: [
    'В одной школе нельзя быть и учеником, и сотрудником. Сначала завершите прежнюю роль или исправьте файл.',
    'A person cannot be both a pupil and staff of the same school. End the former role first, or correct the file.',
  ],
  ENROLLED_ELSEWHERE: [
    'Ученик состоит в классе другой школы: сначала его должны отчислить там.',
    'The pupil is enrolled at another school, which must withdraw the pupil first.',
  ],
  DEACTIVATED: [
    'Учётная запись этого человека закрыта. Сначала откройте её.',
    'The account of this person has been deactivated. Reactivate it first.',
  ],
  NAME_UNUSABLE: [
    'Имя содержит недопустимые символы или слишком длинное. Исправьте файл.',
    'The name has characters that are not allowed, or is too long. Correct the file.',
  ],
  PERSON_UNKNOWN: [
    'Строка называет человека, которого нет ни в файле, ни в школе.',
    'The row names a person who is neither in the file nor in the school.',
  ],
  CLASS_UNKNOWN: [
    'Строка называет класс, которого нет ни в файле, ни в этом учебном году школы.',
    'The row names a class that is neither in the file nor in this year of the school.',
  ],
  CLASS_NAME_TAKEN: ['Класс с таким названием в этом учебном году уже есть.', 'Another class of this school year has this name already.'],
  CLASS_OF_ANOTHER_YEAR: [
    'Этот идентификатор есть у класса другого учебного года. Укажите тот учебный год или дайте классу новый идентификатор.',
    'A class of another school year has this id. Give that school year, or give the class a new id.',
  ],
  CLASS_MUST_BE_ARCHIVED: [
    'Файл говорит, что класса больше нет. Переведите учеников и отправьте класс в архив сами.',
    'The file says that the class exists no longer. Transfer its pupils and archive it yourself.',
  ],
  SUBJECT_NAME_UNUSABLE: [
    'Название предмета пустое, слишком длинное или содержит недопустимые символы.',
    'The name of the subject is empty, too long, or has characters that are not allowed.',
  ],
  SUBJECT_UNKNOWN: ['Строка называет предмет, которого нет в файле.', 'The row names a subject that is not in the file.'],
  NOT_A_TEACHER: [
    'У этого человека нет роли учителя, поэтому вести класс или предмет он не может.',
    'This person has no role of a teacher, and so cannot have a class or a subject.',
  ],
  CLASS_TEACHER_TWICE: [
    'У класса может быть только один классный руководитель, а здесь указаны двое.',
    'A class has one class teacher, but two are given here.',
  ],
  SET_BY_HAND: [
    'Это сделал человек в Сфере, а файл говорит другое. Осталось, как было. Чтобы взять из файла, отметьте строку.',
    'A person did this in Sfera, and the file says otherwise. It stays as it is. To take it from the file, apply this row.',
  ],
  NAME_SET_BY_HAND: [
    'Часть имени исправил человек в Сфере: она осталась, как есть.',
    'A part of the name was corrected by a person in Sfera, and stays as it is.',
  ],
  IN_ANOTHER_SCHOOL: [
    'У человека есть роль и в другой школе, поэтому имя осталось, как есть.',
    'The person has a role in another school too, so the name stays as it is.',
  ],
  ADMINISTRATOR_BY_HAND: [
    'Роль администратора платформы импорт не назначает и не завершает: это делает администратор.',
    'An import neither grants nor ends the role of a platform administrator: an administrator does.',
  ],
  ADMINISTRATION_BY_HAND: [
    'Роль администрации школы импорт от внешней системы не назначает и не завершает: это делает администратор.',
    'An import by a service neither grants nor ends a role of the school’s administration: an administrator does.',
  ],
  GRADUATED: ['Выпускается: роль ученика заканчивается.', 'Graduates: the role of a pupil ends.'],
  REGROUPED: [
    'Остаётся в школе без класса, пока вы не загрузите список новых классов или не укажете класс в этой записи.',
    'Stays in the school without a class until you import a list of the new classes, or give this row a class.',
  ],
  PRIMARY_SCHOOL_ENDS: [
    'После 4 класса классный руководитель обычно меняется. Если он остаётся, включите запись; если нет, укажите в ней другого.',
    'After grade 4 a class usually gets another class teacher. Include this row if the teacher stays, or give it another one.',
  ],
  SUBJECT_TEACHER_PROPOSED: [
    'Учитель вёл этот предмет в прошлом году. Если ведёт и дальше, включите запись.',
    'The teacher taught this subject last year. Include this row if that goes on.',
  ],
  EDITED: ['Так решил человек.', 'A person decided so.'],
  EXCLUDED: ['Строку исключил человек.', 'A person excluded this row.'],
} as const satisfies Record<string, Message>;

export type NoteCode = keyof typeof notes;

export const note = (code: NoteCode): Note => ({ code, message: notes[code] });
