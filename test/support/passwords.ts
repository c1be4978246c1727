import { hashSync } from '@node-rs/argon2';

/** A password that people of tests have, and its hash, at a cost that tests do not notice. */

export const knownPassword = 'пароль для проб 7';

export const knownPasswordHash = hashSync(knownPassword, { memoryCost: 8, timeCost: 1, parallelism: 1 });
