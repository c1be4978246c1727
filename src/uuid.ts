const pattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Returns whether the text is a UUID in lower case, as the database writes its ids. */
export const isUuid = (text: string): boolean => pattern.test(text);
