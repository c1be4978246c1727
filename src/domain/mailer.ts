/** What the domain needs of e-mail. src/adapters/mail.ts sends by SMTP. */

/** A mail in plain text to one address. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
}

export interface Mailer {
  /**
   * Composes and sends a mail in the background, after the caller has gone on: how long that takes, and whether there
   * is a mail at all, cannot be seen from outside. Null sends nothing. Failures are logged.
   */
  post(compose: () => Promise<Mail | null>): void;
}
