import { ConfigError } from './config-error.ts';
import { closest } from './suggestions.ts';

export type Environment = Record<string, string | undefined>;

/** Settings that decide where data is and who may read it: the server does not start when one is empty or misspelt. */
const essential = ['DATABASE_URL', 'DATA_DIR', 'SECRET_KEY', 'METRICS_TOKEN'];
/** Settings that may be empty. */
const lists = ['ALLOWED_ORIGINS', 'TRUSTED_ISSUERS'];

/**
 * Wraps the environment: reading a setting checks its value. `misspelt` compares all variables with the names read so far.
 * Reading a value with outer spaces, or an essential one that is empty, throws ConfigError.
 */
export function checkedEnvironment(given: Environment): { env: Environment; warnings: string[]; misspelt(): void } {
  const names = new Set<string>();
  const warnings: string[] = [];
  const read = (name: string): string | undefined => {
    const value = given[name];
    const first = !names.has(name);
    names.add(name);
    if (value === undefined) return undefined;
    if (value.trim() !== value) {
      // Links and keys are sealed with exactly these bytes, so a server that has run with them must keep them.
      if (name !== 'SECRET_KEY') throw new ConfigError(`${name} starts or ends with a space or a line break: remove it.`);
      if (first)
        warnings.push(
          'SECRET_KEY starts or ends with a space or a line break, which belongs to the key: every process needs the same one.',
        );
    }
    if (value !== '') return value;
    if (essential.includes(name)) throw new ConfigError(`${name} is empty: give it a value, or leave it out.`);
    if (first && !lists.includes(name)) warnings.push(`${name} is empty and counts as not set.`);
    return undefined;
  };
  const env = new Proxy(given, { get: (_, name) => (typeof name === 'string' ? read(name) : undefined) });
  const misspelt = (): void => {
    const known = [...names];
    for (const name of Object.keys(given)) {
      const meant = names.has(name) ? undefined : meaning(name, known);
      if (meant === undefined) continue;
      const text = `${name} is not a setting${meant === '' ? '.' : `: did you mean ${meant}?`}`;
      if (essential.includes(meant) && given[meant] === undefined) throw new ConfigError(text);
      warnings.push(text);
    }
  };
  return { env, warnings, misspelt };
}

/**
 * Returns the setting that a name most likely means; '' for an unknown name with SFERA_; undefined for a name of another
 * program.
 */
function meaning(name: string, known: readonly string[]): string | undefined {
  const upper = name.toUpperCase();
  const bare = upper.replace(/^SFERA_/, '');
  if (known.includes(bare)) return bare;
  if (bare !== upper) return closest(bare, known) ?? '';
  // Short names are too near to those of other programs.
  return upper.length < 7 ? undefined : closest(upper, known, upper.length < 10 ? 1 : 2);
}
