import { createUpload, uploadsOf, uploadUrl } from '../domain/uploads.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

node('Upload', {
  description: 'A file that you announced: its bytes follow by POST. It is deleted once it was used, and after a day.',
  plural: 'uploads',
  parents: { school: 'The school that the file is for; null if you may not see it.' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name of the file.' }),
    size: t.exposeInt('size', { description: 'The size that was announced, in bytes.' }),
    url: t.string({
      description:
        'Where to POST the bytes, as the whole body, with the access token that created the upload, within 30 seconds. Answers 201; 413 for more bytes than announced, 400 for fewer. Only once: 409 after that.',
      resolve: (upload, _args, ctx) => uploadUrl(ctx, upload),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the file was announced.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the file was announced, or its bytes arrived.' }),
    receivedAt: t.expose('receivedAt', { type: 'DateTime', nullable: true, description: 'When its bytes arrived; null before.' }),
  }),
});

connection('School', 'uploads', {
  of: 'Upload',
  description: 'The files for the school that you announced and that were not used yet, newest first.',
  list: uploadsOf,
});

mutation('createUpload', {
  description: 'Announces a file, such as a roster for `planImport`. Send its bytes to the `url` of the result.',
  returns: 'Upload',
  inputDescription: 'The file to send.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school that the file is for.' }),
    name: t.string({ required: true, description: 'The name of the file, 1 to 200 characters.' }),
    size: t.int({ required: true, description: 'The size in bytes, up to 209715200 (200 MB).' }),
  }),
  run: createUpload,
});
