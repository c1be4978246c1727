import type { Plan } from '../domain/entities.ts';
import { undoPlan } from '../domain/plans/undo-plan.ts';
import { invalid, Refusal, type Language, type Message } from '../errors.ts';
import type { Values } from '../command-line.ts';
import type { Opened } from '../http/bootstrap.ts';
import { isUuid } from '../uuid.ts';
import { schoolIdIn, schoolOption, text, type Command, type Outcome } from './command.ts';
import { errorOf, PlanReport, type Notice } from './plan-report.ts';
import { Progress } from './progress.ts';

/** `npx sfera undo`. */

export const undoCommand: Command = {
  about: ['отменить применённый план: импорт или перевод на новый год', 'undo a plan that was applied: an import or the turn of a year'],
  usage: 'PLAN --school ID [--json]',
  argument: 'PLAN',
  options: { '*school': schoolOption, json: ['напечатать результат в JSON', 'print the result as JSON'] },
  flags: ['json'],
  run: undo,
};

async function undo({ operator }: Opened, values: Values, language: Language): Promise<Outcome> {
  const plan = await findPlan(operator, { id: text(values, 'PLAN').toLowerCase(), schoolId: schoolIdIn(values) });
  const report = new PlanReport(operator, plan, language);
  const { rows, planId } = await report.result();
  const errors: Notice[] = [];
  const [status, exitCode] = await undoOrExplain(operator, plan, { language, errors, hasEnded: rows.end > 0 });
  if (values.json === true) return { lines: [JSON.stringify({ rows, errors, planId }, null, 2)], exitCode };
  const total: Message = [
    `План ${planId}: добавлено — ${rows.add}, изменено — ${rows.change}, завершено — ${rows.end}.`,
    `Plan ${planId}: ${rows.add} added, ${rows.change} changed, ${rows.end} ended.`,
  ];
  return { lines: [report.say(total), ...report.table(['Ошибки', 'Errors'], errors, errors.length), report.say(status)], exitCode };
}

const undone: Message = [
  'План отменён: классы, роли и назначения прежние.',
  'The plan was undone: classes, roles and assignments are as before.',
];
const undoneWithLeavers: Message = [
  `${undone[0]} Тех, кто выбывал из школы, верните в чаты, куда их добавляли вручную.`,
  `${undone[1]} Add the people who had left the school to the chats to which somebody had added them by hand.`,
];

async function findPlan({ db }: Opened['operator'], { id, schoolId }: { id: string; schoolId: string }): Promise<Plan> {
  const plan = isUuid(id) ? await db.prisma.plan.findFirst({ where: { id, schoolId } }) : null;
  if (plan === null)
    throw invalid('planId', [
      'В этой школе нет такого плана. Идентификатор плана печатают npx sfera import и plan-year.',
      'This school has no such plan. npx sfera import and plan-year print the id of a plan.',
    ]);
  return plan;
}

/** Undoes the plan, unless it has been undone already. If undoing is refused, adds the refusal to `errors`. */
async function undoOrExplain(
  operator: Opened['operator'],
  plan: Plan,
  { language, errors, hasEnded }: { language: Language; errors: Notice[]; hasEnded: boolean },
): Promise<[status: Message, exitCode: Outcome['exitCode']]> {
  if (plan.state === 'UNDONE')
    return [['План уже отменён. Ничего не изменено.', 'The plan has been undone already. Nothing was changed.'], 0];
  const progress = new Progress();
  try {
    progress.show(language === 'ru' ? 'Отмена' : 'Undoing');
    await undoPlan(operator, { planId: plan.id });
    return [hasEnded ? undoneWithLeavers : undone, 0];
  } catch (refusal) {
    if (!(refusal instanceof Refusal)) throw refusal;
    errors.push(errorOf(refusal, language));
    return [['Отказано. Ничего не изменено.', 'Refused. Nothing was changed.'], 2];
  } finally {
    progress.end();
  }
}
