import { type ClassName, formatClassName, isSameClass } from './class-names.ts';
import { addTo } from './map-of-lists.ts';
import type { RosterPerson } from './roster.ts';
import type { RosterBuilder } from './roster-builder.ts';

interface ListedPerson {
  readonly person: RosterPerson;
  /** The class, if the person is a pupil of one. */
  readonly className: ClassName | undefined;
}

/**
 * A person is compared with at most this many earlier people of the same name. Without this limit, a file in which everyone
 * has the same name would take minutes.
 */
const maxNamesakes = 100;

/** Finds repeated people in a list: by id; people without ids by name, birth date and class. */
export class ListPeople {
  readonly #builder: RosterBuilder;
  readonly #byName = new Map<string, ListedPerson[]>();
  readonly #classes = new Map<string, ClassName | undefined>();

  constructor(builder: RosterBuilder) {
    this.#builder = builder;
  }

  /** Adds a person. For a repeated person it adds an error, sets `hasError` of the earlier person, and returns false. */
  add(person: RosterPerson, className: ClassName | undefined): boolean {
    const listed = { person, className };
    const name = nameOf(person);
    const namesakes = this.#byName.get(name) ?? [];
    if (this.#isKnownId(listed) || namesakes.some((earlier) => this.#isRepeated(earlier, listed))) return false;
    if (namesakes.length < maxNamesakes) addTo(this.#byName, name, listed);
    this.#classes.set(person.key, className);
    this.#builder.people.set(person.key, { ...person });
    return true;
  }

  #isKnownId({ person, className }: ListedPerson): boolean {
    const earlier = this.#builder.people.get(person.key);
    if (earlier === undefined) return false;
    const known = this.#classes.get(person.key);
    const isSamePerson = nameOf(earlier) === nameOf(person);
    earlier.hasError = true;
    if (isSamePerson && known !== undefined && className !== undefined && !isSameClass(known, className))
      this.#builder.notices.error('TWO_CLASSES', person.at, formatClassName(known), earlier.at.line);
    else this.#builder.notices.error('ID_DUPLICATE', person.at, person.externalId ?? '', earlier.at.line);
    return true;
  }

  #isRepeated(earlier: ListedPerson, { person, className }: ListedPerson): boolean {
    const other = earlier.person;
    if (other.externalId !== undefined && person.externalId !== undefined) return false;
    const haveDates = other.birthDate !== undefined && person.birthDate !== undefined;
    if (haveDates && other.birthDate !== person.birthDate) return false;
    const known = earlier.className;
    const isOtherClass = known !== undefined && className !== undefined && !isSameClass(known, className);
    if (isOtherClass && !haveDates) {
      this.#builder.notices.warn('NAMESAKES', person.at, other.at.line);
      return false;
    }
    if (isOtherClass) this.#builder.notices.error('TWO_CLASSES', person.at, formatClassName(known), other.at.line);
    else this.#builder.notices.error('PERSON_DUPLICATE', person.at, other.at.line);
    this.#builder.markPerson(other.key);
    return true;
  }
}

const nameOf = ({ surname, givenName, patronymic }: RosterPerson): string =>
  `${surname}\n${givenName}\n${patronymic ?? ''}`.toLowerCase().replaceAll('ё', 'е');
