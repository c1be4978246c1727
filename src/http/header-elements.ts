/** Limits of the parsed part of a header. Real headers are shorter; a client may send up to 32 KB. */
const maxCharacters = 512;
const maxElements = 20;

/**
 * Returns the elements of a list header such as Accept (RFC 9110, 5.6.1), each as its value followed by its parameters,
 * in lower case. Ignores elements past the limits.
 */
export const headerElements = (header: string): string[][] =>
  header
    .slice(0, maxCharacters)
    .toLowerCase()
    .split(',', maxElements)
    .map((element) => element.split(';').map((part) => part.trim()));
