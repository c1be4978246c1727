import type { Facts } from '../policy/permissions.ts';
import { find } from './access.ts';
import type { Context } from './context.ts';
import { loadFactsOfUser } from './resources.ts';

/**
 * Finds a person and a school, and returns the facts for `authorize`. `facts.places` holds only the roles and classes that
 * the person has in this school. So `authorize` refuses an administrator of another school, even if the person also has a
 * role there.
 */
export async function findUserInSchool(
  ctx: Context,
  input: { userId: string; schoolId: string },
): Promise<{ schoolId: string; userId: string; facts: Facts['user'] }> {
  const { id: schoolId } = await find(ctx, 'School', input.schoolId, 'schoolId');
  const { id: userId } = await find(ctx, 'User', input.userId, 'userId');
  const facts = await loadFactsOfUser(ctx.db, userId);
  return { schoolId, userId, facts: { ...facts, places: facts.places.filter((at) => at.schoolId === schoolId) } };
}
