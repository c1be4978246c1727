/** The interface by which the domain sends e-mail. src/adapters/mail.ts implements it by SMTP. */

/** A mail in plain text to one address. */
export interface Mail {
  to: string;
  subject: string;
  text: string;
}

export interface Mailer {
  /**
   * Composes and sends a mail in the background: the response time does not reveal whether a mail is sent. Sends nothing if
   * `compose` returns null. Logs failures.
   */
  post(compose: () => Promise<Mail | null>): void;
}
