import { hashSync } from '@node-rs/argon2';

/**
 * A password for the people of tests, and its hash. The hash has a minimal cost, so that it takes no noticeable time.
 */

export const knownPassword = 'пароль для проб 7';

export const knownPasswordHash = hashSync(knownPassword, { memoryCost: 8, timeCost: 1, parallelism: 1 });
