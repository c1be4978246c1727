import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Person } from '../support/client.ts';
import { openSfera, type Sfera } from '../support/sfera.ts';

let app: Sfera;
beforeAll(async () => {
  app = await openSfera();
});
afterAll(() => app.close());

const eventTypes = async (client: Pick<Person, 'send'>, schoolId: string): Promise<string[]> => {
  const { data } = await client.send(
    'query ($id: ID!) { node(id: $id) { ... on School { events(first: 100) { edges { node { type } } } } } }',
    { id: app.id('School', schoolId) },
  );
  return (data as any).node.events.edges.map(({ node }: { node: { type: string } }) => node.type);
};

describe('School.events', () => {
  it('leaves out sign-ins and sign-outs, which only their person receives', async () => {
    const { school, administrator } = await app.build.school();
    const teacher = await app.build.teacher({ schoolId: school.id });
    await app.as(administrator).createSubject({ schoolId: app.id('School', school.id), name: 'Физика' });
    for (const person of [teacher, administrator]) {
      const { sessionId } = await app.token(person);
      expect(await app.as(person).endSession({ sessionId: app.id('Session', sessionId) })).toMatchObject({ __typename: 'Session' });
    }
    expect((await app.events(school.id)).map(({ type }) => type)).toEqual(['subject.created', 'session.ended', 'session.ended']);
    const service = await app.asService(school.id, ['read', 'events']);
    expect(await eventTypes(app.as(administrator), school.id)).toEqual(['SUBJECT_CREATED']);
    expect(await eventTypes(service, school.id)).toEqual(['SUBJECT_CREATED']);
    expect(await eventTypes(app.as(teacher), school.id)).toEqual([]);
  });
});
