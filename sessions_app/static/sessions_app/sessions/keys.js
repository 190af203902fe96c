/** Keys that make writes safe to repeat: unique, and no secret. */

/**
 * A new key, 32 hexadecimal digits. `crypto.randomUUID` is there on secure pages only, and Node 18
 * has no `crypto` among its globals.
 */
export function newKey() {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto) crypto.getRandomValues(bytes);
  else bytes.forEach((_, index) => (bytes[index] = Math.random() * 256));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
