/** Characters and elements of a header that are read. Real ones have fewer; a client may send 32 KB of them. */
const maxCharacters = 512;
const maxElements = 20;

/**
 * Returns the elements of a list such as Accept (RFC 9110, 5.6.1), each as its value followed by its parameters, in lower
 * case. Ignores elements past the limits.
 */
export const headerElements = (header: string): string[][] =>
  header.slice(0, maxCharacters).toLowerCase().split(',', maxElements).map((element) => element.split(';').map((part) => part.trim()));
