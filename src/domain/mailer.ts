/** What the domain needs of e-mail. src/adapters/mail.ts sends by SMTP. */

/** A mail in plain text to one address. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
}

export interface Mailer {
  /**
   * Composes and sends a mail in the background, so that the response time does not reveal whether there is a mail.
   * Sends nothing if `compose` returns null. Logs failures.
   */
  post(compose: () => Promise<Mail | null>): void;
}
