import { createSubject, subjectsOf } from '../domain/subjects.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

node('Subject', {
  description:
    'A subject that a school teaches, such as physics. Everyone who has a role in the school and services with the scope `read` may see its subjects.',
  plural: 'subjects',
  parents: { school: 'The school that teaches the subject; null if you may not see the school.' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name, 1 to 100 characters, unique in the school.' }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the subject was created.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the subject last changed.' }),
  }),
});

connection('School', 'subjects', { of: 'Subject', description: 'The subjects of the school, in alphabetical order.', list: subjectsOf });

mutation('createSubject', {
  description:
    'Creates a subject, so that teachers can be assigned to it in classes. CONFLICT if the school has a subject of this name; case, spaces, hyphens and look-alike letters make no difference.',
  returns: 'Subject',
  inputDescription: 'The subject to create.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school that teaches the subject.' }),
    name: t.string({ required: true, description: 'The name, 1 to 100 characters.' }),
  }),
  run: createSubject,
});
