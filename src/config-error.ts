/** The error of an invalid setting. Its message is one line for the operator. */
export class ConfigError extends Error {}
