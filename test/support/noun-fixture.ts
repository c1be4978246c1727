import type fc from 'fast-check';
import type { Actor } from '../../src/policy/actor.ts';
import type { Action } from '../../src/policy/permissions.ts';
import type { Filter } from '../../src/policy/scopes.ts';
import type { Database } from '../../src/db/client.ts';
import type { Resources, ResourceType } from '../../src/domain/entities.ts';
import type { BaseSchool } from './base-school.ts';
import type { SignedInPersona } from './personas.ts';
import type { RepeatSchool } from './repeat-school.ts';
import type { Sfera } from './sfera.ts';

/**
 * The fixture of a noun: what the generic tests need to know about the noun. Each file of test/fixtures/ exports a
 * `fixture`; test/support/fixtures.ts collects them.
 */

/** A school of `buildBaseSchool`, with the id of one row of every type. Its administrator may read these rows. */
export type SchoolFixture = BaseSchool & { rows: Readonly<Record<ResourceType, { id: string }>> };

/** A world (the rows of a whole database) under construction. Generic tests of permissions run on these rows. */
export interface World {
  db: Database;
  /** Returns the rows of another type. Inserts them on the first call. */
  rowsOf<T extends ResourceType>(type: T): Promise<readonly Resources[T][]>;
}

export interface WorldPart<T extends ResourceType, Spec> {
  /**
   * Generates the values from which `insert` makes rows, one spec for each row. A number in a spec is an index into the
   * rows of another type, taken modulo their count.
   */
  specs: fc.Arbitrary<readonly Spec[]>;
  insert(specs: readonly Spec[], world: World): Promise<readonly Resources[T][]>;
}

/** A row of a school, with the action and the facts that decide who may read the row by its id. */
export interface NodeCase {
  id: string;
  action: Action;
  /**
   * The facts by which `can` decides whether the action is allowed. They are written by hand, so that they check the
   * facts that the resource loads.
   */
  facts: unknown;
}

/**
 * A mutation. The access matrix tests who may call it; test/domain/repeats.test.ts tests that a repeat changes nothing.
 */
export interface MutationCase {
  /**
   * The action that the mutation requires. Null: every signed-in person may call it. `anyone`: services and clients
   * without a token may call it too.
   */
  action: Action | null | 'anyone';
  /** The facts by which `can` decides whether the action is allowed. */
  facts(school: SchoolFixture, signedIn: SignedInPersona): unknown;
  /** Whether the actor can read every object that the input names. */
  canSee(school: SchoolFixture, actor: Actor): boolean;
  input(app: Sfera, school: SchoolFixture, signedIn: SignedInPersona): Record<string, unknown>;
  repeats: readonly RepeatCase[] | { testedIn: string };
}

/** A state in which a mutation writes nothing. */
export interface RepeatCase {
  state: string;
  /** Creates the state. If `before` and `act` are the same function, their results must be equal. */
  before?: (school: RepeatSchool) => Promise<unknown>;
  act(school: RepeatSchool): Promise<unknown>;
  /** The expected result. */
  answer: object;
}

/** How to send a text argument of the schema. `selection` selects the stored text by the alias `stored`. */
export type TextCase = (
  | { mutation: string; input(text: string, app: Sfera, school: SchoolFixture): object | Promise<object>; selection: string }
  | { query: string; variables(text: string, app: Sfera, school: SchoolFixture): object }
) & {
  /**
   * Whether the argument accepts only texts of a certain form, such as an e-mail address. Other arguments accept letters
   * of every script (writing system).
   */
  hasOwnForm?: true;
  /**
   * Returns the text that the server stores for an input, in capitals. Only needed if the server changes the text before
   * it stores it.
   */
  normalize?: (text: string) => string;
};

export interface NounFixture<T extends ResourceType = ResourceType, Spec = never> {
  type: T;
  /** Returns one row of the school. Builds the row if `buildBaseSchool` did not. */
  sample(app: Sfera, school: BaseSchool): { id: string } | Promise<{ id: string }>;
  /** The filter of the rows of a school. Default: by `schoolId`. Null: the rows belong to no school. */
  ofSchool?: ((schoolId: string) => Filter) | null;
  world: WorldPart<T, Spec>;
  /** A model with a relation to this type. Tests nest the filters of the permissions in that relation. */
  nestedIn?: { model: string; relation: string; column: string };
  /**
   * The lists of these rows under a parent row, such as `Class.enrolments`. If `along` is given, the list is ordered by
   * the `sortKey` of this related row, such as the pupil (`student`) of an enrolment.
   */
  lists?: readonly { parent: string; relation: string; along?: string }[];
  nodes(school: SchoolFixture): readonly NodeCase[];
  mutations?: Readonly<Record<string, MutationCase>>;
  /** The subscriptions about these rows, each with the action that a subscriber needs. */
  streams?: Readonly<Record<string, Action>>;
  /** The subscriptions to signals about these rows, each with who may follow it. */
  signals?: Readonly<Record<string, (actor: Actor, schoolId: string) => boolean>>;
  /** The text arguments of the schema, by names such as `CreateChatInput.name` and `School.people(search)`. */
  texts?: Readonly<Record<string, TextCase>>;
  /**
   * The text arguments that are never displayed, and so may contain any character. Each has the reason as its value.
   */
  opaqueTexts?: Readonly<Record<string, string>>;
}

export const defineFixture = <T extends ResourceType, Spec>(fixture: NounFixture<T, Spec>): NounFixture<T> => fixture as NounFixture<T>;

const refusal = (code: string, path: string) => ({ __typename: 'Refusal', code, path: [path] });

/** Returns the refusal CONFLICT at this argument. */
export const conflictAt = (path: string) => refusal('CONFLICT', path);
export const notFoundAt = (path: string) => refusal('NOT_FOUND', path);
export const invalidAt = (path: string) => refusal('INVALID', path);

/**
 * Returns a test case: in the state that `before` creates, `act` sends a mutation, which writes nothing and gets the
 * response `answer`. Without `before`, the school of `buildRepeatSchool` is already in this state.
 */
export const inState = (state: string, act: RepeatCase['act'], answer: object, before?: RepeatCase['before']): RepeatCase => ({
  state,
  act,
  answer,
  ...(before && { before }),
});

/**
 * Returns a test case that sends a mutation twice. The second time, the mutation writes nothing and gets the response
 * `answer`.
 */
export const sentTwice = (state: string, act: RepeatCase['act'], answer: object): RepeatCase => inState(state, act, answer, act);
