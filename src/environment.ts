import { ConfigError } from './config-error.ts';
import { closest } from './suggestions.ts';

export type Environment = Record<string, string | undefined>;

/** Settings that decide where data is and who may read it. The server does not start if one of them is empty or misspelt. */
const essential = ['DATABASE_URL', 'DATA_DIR', 'SECRET_KEY', 'METRICS_TOKEN'];
/** Settings that are lists. An empty list is allowed and causes no warning. */
const lists = ['ALLOWED_ORIGINS', 'TRUSTED_ISSUERS'];

/** Reads settings from environment variables, and checks their values and names. */
export class CheckedEnvironment {
  /** Warnings for the operator, one line each. */
  readonly warnings: string[] = [];
  readonly #variables: Environment;
  /** Names of the settings read so far. */
  readonly #names = new Set<string>();

  constructor(variables: Environment) {
    this.#variables = variables;
  }

  /**
   * Returns the value of a setting; undefined if it is empty or missing.
   * @throws ConfigError if the value starts or ends with a space, or if an essential setting is empty.
   */
  get(name: string): string | undefined {
    const isFirst = !this.#names.has(name);
    this.#names.add(name);
    const value = this.#variables[name];
    if (value === undefined) return undefined;
    if (value.trim() !== value) {
      // Only warns for SECRET_KEY. Links and keys are already sealed with exactly these bytes, so a running
      // installation must keep them.
      if (name !== 'SECRET_KEY') throw new ConfigError(`${name} starts or ends with a space or a line break: remove it.`);
      if (isFirst)
        this.warnings.push(
          'SECRET_KEY starts or ends with a space or a line break, which belongs to the key: every process needs the same one.',
        );
    }
    if (value !== '') return value;
    if (essential.includes(name)) throw new ConfigError(`${name} is empty: give it a value, or leave it out.`);
    if (isFirst && !lists.includes(name)) this.warnings.push(`${name} is empty and counts as not set.`);
    return undefined;
  }

  /**
   * Warns of variables that look like misspelt settings. Call it after reading all settings.
   * @throws ConfigError if an essential setting is misspelt.
   */
  checkNames(): void {
    const known = [...this.#names];
    for (const name of Object.keys(this.#variables)) {
      const meant = this.#names.has(name) ? undefined : meaning(name, known);
      if (meant === undefined) continue;
      const text = `${name} is not a setting${meant === '' ? '.' : `: did you mean ${meant}?`}`;
      if (essential.includes(meant) && this.#variables[meant] === undefined) throw new ConfigError(text);
      this.warnings.push(text);
    }
  }
}

/**
 * Returns the setting that the name of a variable most likely means. Returns '' for an unknown name that starts with
 * SFERA_, and undefined for a variable of another program.
 */
function meaning(name: string, known: readonly string[]): string | undefined {
  const upper = name.toUpperCase();
  const bare = upper.replace(/^SFERA_/, '');
  if (known.includes(bare)) return bare;
  if (bare !== upper) return closest(bare, known) ?? '';
  // A short name may be close to a setting by chance, so it counts as a variable of another program.
  return upper.length < 7 ? undefined : closest(upper, known, upper.length < 10 ? 1 : 2);
}
