/** A wrong setting; its message is the one line that the person who started the server reads. */
export class ConfigError extends Error {}
