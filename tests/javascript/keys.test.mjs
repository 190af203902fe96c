/** Keys are unique, wherever the client runs. */

import assert from "node:assert/strict";
import test from "node:test";

import { newKey } from "../../sessions_app/static/sessions_app/sessions/keys.js";

const shape = /^[0-9a-f]{32}$/;

test("two keys are different", () => {
  const keys = new Set(Array.from({ length: 100 }, newKey));
  assert.equal(keys.size, 100);
  for (const key of keys) assert.match(key, shape);
});

test("there is one on pages that are not secure, and in Node 18", (context) => {
  const before = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  context.after(() => {
    if (before) Object.defineProperty(globalThis, "crypto", before);
    else delete globalThis.crypto;
  });
  const partial = { getRandomValues: (bytes) => bytes.fill(255) };
  Object.defineProperty(globalThis, "crypto", { value: partial, configurable: true });
  assert.equal(newKey(), "f".repeat(32));
  Object.defineProperty(globalThis, "crypto", { value: undefined, configurable: true });
  assert.match(newKey(), shape);
  assert.notEqual(newKey(), newKey());
});
