import type { AddressInfo } from 'node:net';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';

/** A real SMTP server on this machine, for tests of mails. */

export interface ReceivedMail {
  to: string[];
  subject: string;
  text: string;
  /** The mail as it was sent. */
  raw: string;
}

export interface Smtp {
  /** The value for SMTP_URL. */
  url: string;
  received: ReceivedMail[];
  close(): Promise<void>;
}

/** @param options what the server does besides receiving mails, such as refusing a recipient. */
export async function startSmtp(options: SMTPServerOptions = {}): Promise<Smtp> {
  const received: ReceivedMail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    logger: false,
    onData(stream, session, done) {
      let raw = '';
      stream.setEncoding('utf8');
      stream.on('data', (part: string) => (raw += part));
      stream.on('end', () => {
        received.push({ to: session.envelope.rcptTo.map(({ address }) => address), ...parse(raw), raw });
        done();
      });
    },
    ...options,
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  return { url: `smtp://127.0.0.1:${port}`, received, close: () => new Promise((resolve) => server.close(() => resolve())) };
}

/** Decodes a mail in plain text: the subject by RFC 2047, the text by its transfer encoding. */
function parse(raw: string): Pick<ReceivedMail, 'subject' | 'text'> {
  const [head = '', ...body] = raw.split('\r\n\r\n');
  const headers = head.replace(/\r\n[ \t]+/g, ' ');
  const valueOf = (name: string) => new RegExp(`^${name}: (.*)$`, 'im').exec(headers)?.[1] ?? '';
  const text = body.join('\r\n\r\n');
  const encoding = valueOf('Content-Transfer-Encoding');
  return {
    subject: decodeWords(valueOf('Subject')),
    text: (encoding === 'base64'
      ? Buffer.from(text, 'base64').toString()
      : encoding === 'quoted-printable'
        ? unquote(text)
        : text
    ).replaceAll('\r\n', '\n'),
  };
}

const unquote = (text: string): string => {
  const bytes = text.replace(/=\r\n/g, '').replace(/=([0-9A-F]{2})/gi, (_all, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString();
};

const decodeWords = (text: string): string =>
  text
    .replace(/\?=\s+=\?/g, '?==?')
    .replace(/=\?utf-8\?([bq])\?(.*?)\?=/gi, (_all, kind: string, word: string) =>
      /b/i.test(kind) ? Buffer.from(word, 'base64').toString() : unquote(word.replaceAll('_', ' ')),
    );
