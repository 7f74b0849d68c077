/** Bytes for an error's text, to a tenth of a gigabyte. */
export const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`
