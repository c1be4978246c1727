import { createUpload, uploadsOf, uploadUrl } from '../domain/uploads.ts';
import { connection } from './connection.ts';
import { mutation } from './mutation.ts';
import { node } from './node.ts';
import { id } from './typed-id.ts';

node('Upload', {
  description:
    'A file that you announced with `createUpload`, and whose bytes you send to `url`. The server deletes the file when a mutation has used it, at the latest after a day.',
  plural: 'uploads',
  parents: { school: 'The school that the file is for; null if you may not see the school.' },
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name of the file.' }),
    size: t.exposeInt('size', { description: 'The size that was announced, in bytes.' }),
    url: t.string({
      description:
        'The URL to which you POST the bytes as the request body, within 30 seconds, with an access token of the person or service that created the upload. The status is 201, or 413 for more bytes than announced, 400 for fewer bytes, and 409 if the bytes have arrived before.',
      resolve: (upload, _args, ctx) => uploadUrl(ctx, upload),
    }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When the file was announced.' }),
    updatedAt: t.expose('updatedAt', { type: 'DateTime', description: 'When the file was announced, or its bytes arrived.' }),
    receivedAt: t.expose('receivedAt', { type: 'DateTime', nullable: true, description: 'When the bytes arrived; null until then.' }),
  }),
});

connection('School', 'uploads', {
  of: 'Upload',
  description: 'The files that you announced for the school and that no mutation has used yet, newest first.',
  list: uploadsOf,
});

mutation('createUpload', {
  description:
    'Announces a file, such as a roster for `planImport`. Send its bytes to the `url` of the result. CONFLICT while 20 uploads of the school wait for their use.',
  returns: 'Upload',
  inputDescription: 'The file to send.',
  input: (t) => ({
    schoolId: id(t, 'School', { required: true, description: 'The school that the file is for.' }),
    name: t.string({ required: true, description: 'The name of the file, 1 to 200 characters.' }),
    size: t.int({ required: true, description: 'The size in bytes, up to 209715200 (200 MB).' }),
  }),
  run: createUpload,
});
