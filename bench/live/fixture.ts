import { loadSigningKeys } from '../../src/auth/keys.ts';
import { Tokens } from '../../src/auth/tokens.ts';
import { readConfig } from '../../src/config.ts';
import { connect } from '../../src/db/client.ts';
import { createLogger } from '../../src/logger.ts';
import { createLiveSchool, type LiveSchool } from './school.ts';
import { createWriter, type Writer } from './writer.ts';

/**
 * A school in the database of our server. `writer` records events of this school in the process of the benchmark, which
 * is connected to that database.
 */
export interface LiveFixture {
  school: LiveSchool;
  writer: Writer;
  /** Creates a session for each user and returns their access tokens, in order. */
  tokensOf(userIds: readonly string[]): Promise<string[]>;
  close(): Promise<void>;
}

/** @param settings environment variables of our server, whose database and secret the fixture uses. */
export async function openLiveFixture(settings: Record<string, string>): Promise<LiveFixture> {
  const config = readConfig(settings);
  const log = createLogger('warn');
  const db = await connect({ databaseUrl: config.databaseUrl, poolSize: 4, log });
  const tokens = new Tokens({ config, db, keys: await loadSigningKeys(db, config), log });
  const school = await createLiveSchool({ db, config });
  const writer = await createWriter(db, log, school);
  return {
    school,
    writer,
    async tokensOf(userIds) {
      const expiresAt = new Date(Date.now() + 86_400_000);
      const data = userIds.map((userId) => ({ userId, clientId: 'bench', expiresAt }));
      const sessions = await db.prisma.session.createManyAndReturn({ data });
      return Promise.all(sessions.map(({ id, userId }) => tokens.issueAccessToken({ userId, sessionId: id, clientId: 'bench' }, 3600)));
    },
    async close() {
      await writer.close();
      await db.close();
    },
  };
}
