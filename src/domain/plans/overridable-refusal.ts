import { Refusal, type Message } from '../../errors.ts';

/** The argument of `applyPlan` that overrides a refusal, with the value that it needs. */
export type Override = readonly ['threshold', number] | readonly ['skipErrors', true];

/** A refusal to apply a plan that an argument overrides. Its message names the argument with the value that is needed. */
export class OverridableRefusal extends Refusal {
  /** Why the plan is refused, with the numbers, but without the name of the argument. */
  readonly facts: Message;
  readonly override: Override;

  constructor(facts: Message, override: Override) {
    const [argument, value] = override;
    const message: Message = [
      `${facts[0]} Исправьте файл или укажите ${argument}: ${value}.`,
      `${facts[1]} Correct the file, or give ${argument}: ${value}.`,
    ];
    super('CONFLICT', message, { path: [argument] });
    this.facts = facts;
    this.override = override;
  }
}
