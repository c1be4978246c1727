import { Refusal, type Message } from '../../errors.ts';

/** The argument of `applyPlan` that lets one go on, and the value that is needed. */
export type Override = readonly ['threshold', number] | readonly ['skipErrors', true];

/** A refusal to apply a plan that an argument overrides. Its message names the argument with the value that is needed. */
export class OverridableRefusal extends Refusal {
  /** What stands in the way, with the numbers. */
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
