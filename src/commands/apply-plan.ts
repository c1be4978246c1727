import type { Plan } from '../domain/entities.ts';
import { applyPlan, type ApplyOptions } from '../domain/plans/apply-plan.ts';
import { Refusal, type Language, type Message } from '../errors.ts';
import type { Opened } from '../http/bootstrap.ts';
import type { Outcome } from './command.ts';
import { errorOf, type PlanResult } from './plan-report.ts';
import type { Progress } from './progress.ts';

/** What a command says at the end, and its exit status. */
export type Status = [lines: Message[], exitCode: Outcome['exitCode']];

/** Applies a plan. Returns the command that undoes it. @throws Refusal as `applyPlan` does. */
export async function applyAndShow(
  operator: Opened['operator'],
  { id, schoolId }: Plan,
  { language, progress, ...options }: ApplyOptions & { language: Language; progress: Progress },
): Promise<Status> {
  progress.show(language === 'ru' ? 'Применение' : 'Applying');
  await applyPlan(operator, { planId: id, ...options });
  const undo = `npx sfera undo ${id} --school ${schoolId}`;
  return [
    [
      ['План применён.', 'The plan was applied.'],
      [`Чтобы отменить его: ${undo}`, `To undo it: ${undo}`],
    ],
    0,
  ];
}

/** Returns the status of a refusal, and adds the refusal to the errors of the result. @throws other errors as they are. */
export function refusedStatus(error: unknown, result: PlanResult, language: Language): Status {
  if (!(error instanceof Refusal)) throw error;
  result.errors.unshift(errorOf(error, language));
  return [[['Отказано. Ничего не изменено.', 'Refused. Nothing was changed.']], 2];
}
