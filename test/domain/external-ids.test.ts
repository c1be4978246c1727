import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replaceExternalIds } from '../../src/domain/external-ids.ts';
import { transaction } from '../../src/db/transaction.ts';
import { expectRefusal } from '../support/expect-refusal.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const roster = (value: string) => [{ system: 'Реестр', value }];

async function world() {
  const { school, administrator } = await app.build.school();
  const teacher = await app.build.teacher({ schoolId: school.id });
  const id = { school: app.id('School', school.id), teacher: app.id('User', teacher.id) };
  const give = (value: string, userId = id.teacher) =>
    app.as(administrator).updateUser({ schoolId: id.school, userId, externalIds: roster(value) });
  const find = (by: Pick<Sfera['anonymous'], 'userByExternalId'>, value: string, schoolId = id.school) =>
    by.userByExternalId({ schoolId, system: 'Реестр', value });
  return { school, administrator, teacher, id, give, find, by: app.as(administrator) };
}

describe('userByExternalId', () => {
  it('1.5 — finds a person of the school for administrators and for services that may read', async () => {
    const { school, teacher, id, give, find, by } = await world();
    await give('a-1');
    const found = { id: id.teacher, externalIds: roster('a-1') };
    expect(await find(by, 'a-1')).toEqual(found);
    expect(await find(await app.asService(school.id, ['read']), 'a-1')).toEqual(found);
    expect(await find(by, 'a-2')).toBeNull();
    for (const other of [app.as(teacher), app.anonymous, await app.asService(school.id, ['events'])])
      expect(await find(other, 'a-1')).toBeNull();
  });

  it('keeps the ids of two schools apart', async () => {
    const [one, two] = [await world(), await world()];
    for (const { give } of [one, two]) expect(await give('same')).toMatchObject({ __typename: 'User' });
    expect(await one.find(one.by, 'same')).toMatchObject({ id: one.id.teacher });
    expect(await one.find(two.by, 'same')).toBeNull();
    // A person of both schools has external ids in each school. Each administrator sees only the ids of the
    // administrator's school.
    await app.db.prisma.roleGrant.create({ data: { schoolId: two.school.id, userId: one.teacher.id, role: 'TEACHER' } });
    expect(await two.give('other', one.id.teacher)).toMatchObject({ __typename: 'User', externalIds: roster('other') });
    expect(await one.find(one.by, 'same')).toEqual({ id: one.id.teacher, externalIds: roster('same') });
  });
});

describe('external ids', () => {
  it('are unique in a school, one for each system, and replaced as a whole', async () => {
    const { school, administrator, id, give, by } = await world();
    await give('номер-1');
    const other = await app.build.teacher({ schoolId: school.id });
    await expectRefusal(app, school.id, { code: 'CONFLICT', path: ['externalIds'] }, () => give('номер-1', app.id('User', other.id)));
    await expectRefusal(app, school.id, { code: 'INVALID', path: ['externalIds'] }, () =>
      by.updateUser({ schoolId: id.school, userId: id.teacher, externalIds: [...roster('1'), ...roster('2')] }),
    );
    expect(await give('номер-2')).toMatchObject({ externalIds: roster('номер-2') });
    expect(await give('номер-1', app.id('User', other.id))).toMatchObject({ externalIds: roster('номер-1') });
    const events = await app.events(school.id);
    expect(events.map(({ type, actor }) => [type, actor])).toEqual(Array(3).fill(['user.updated', `user:${administrator.id}`]));
    expect(JSON.stringify(events.map(({ payload }) => payload))).not.toContain('номер-2');
  });

  it('of classes and subjects, as an import writes them, are shown to administrators and services alone', async () => {
    const { school, teacher, by } = await world();
    const group = await app.build.class({ schoolId: school.id });
    const subject = await app.build.subject({ schoolId: school.id });
    await transaction(app.db, async (tx) => {
      await replaceExternalIds(tx, { type: 'Class', schoolId: school.id, id: group.id }, roster('k'));
      await replaceExternalIds(tx, { type: 'Subject', schoolId: school.id, id: subject.id }, roster('s'));
    });
    const query =
      'query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Class { externalIds { value } } ... on Subject { externalIds { value } } } }';
    const ids = [app.id('Class', group.id), app.id('Subject', subject.id)];
    const seen = { nodes: [{ externalIds: [{ value: 'k' }] }, { externalIds: [{ value: 's' }] }] };
    expect((await by.send(query, { ids })).data).toEqual(seen);
    expect((await (await app.asService(school.id, ['read'])).send(query, { ids })).data).toEqual(seen);
    expect((await app.as(teacher).send(query, { ids })).data).toEqual({ nodes: [{ externalIds: [] }, { externalIds: [] }] });
  });
});
