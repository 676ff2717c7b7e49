// A random digit for each x of the pattern. Not crypto.randomUUID, which is missing on
// plain http.
export const digits = (pattern) =>
  pattern.replace(/x/g, () => crypto.getRandomValues(new Uint8Array(1)) % 10)
