import { existsSync, readFileSync } from 'node:fs';

/** A pupil who joins. Some pupils are namesakes, and some have double surnames. */
export interface Pupil {
  surname: string;
  givenName: string;
  patronymic: string;
  birthYear: number;
}

const sample = new URL('../../../shared/data/grand-bend/students.csv', import.meta.url);
export const count = 960;

/**
 * Returns the pupils of the sample data next to the project. Without this data, returns the same number of generated
 * pupils, with namesakes.
 */
export function pupils(): Pupil[] {
  return existsSync(sample) ? read(readFileSync(sample, 'utf8')) : madeUp();
}

function read(csv: string): Pupil[] {
  const [, ...lines] = csv.trim().split(/\r?\n/);
  return lines.map((line) => {
    const [, surname, givenName, patronymic, birthDate] = line.split(',') as [string, string, string, string, string];
    return { surname, givenName, patronymic, birthYear: Number(birthDate.slice(0, 4)) };
  });
}

function madeUp(): Pupil[] {
  const surnames = ['Иванов', 'Ёлкина', 'Римский-Корсаков', 'Петров', 'Щукина', 'Егоров', 'Жукова'];
  const givenNames = ['Анна', 'Пётр', 'Лев', 'Мария', 'Софья'];
  return Array.from({ length: count }, (_, n) => ({
    surname: surnames[n % surnames.length]!,
    givenName: givenNames[n % givenNames.length]!,
    patronymic: n % 3 === 0 ? '' : 'Сергеевна',
    birthYear: 2008 + (n % 10),
  }));
}
