/** Questions to the person: a form in a dialog, which stays until what it asks for is done. */

import { el } from "./dom.js";

/**
 * @typedef {object} Field
 * @property {string} name
 * @property {string} label
 * @property {boolean} [required]
 * @property {number} [most] characters
 * @property {string} [value]
 * @property {[value: string, label: string][]} [options]
 * @property {string} [hint]
 */

/**
 * Ask, and do it; what is refused is said in the dialog. The focus goes back to where it was.
 * @param {object} question
 * @param {string} question.title
 * @param {string} question.action what the button says
 * @param {Field[]} [question.fields]
 * @param {string} [question.warning]
 * @param {(values: Record<string, string>) => Promise<unknown>} question.run
 * @returns {Promise<boolean>} whether it was done
 */
export function ask({ title, action, fields = [], warning = "", run }) {
  const problem = el("p", { class: "problem", role: "alert" });
  // Enter does what is harmless at once; before what is not one has to choose.
  const autofocus = !fields.length && !warning;
  const submit = el("button", { type: "submit", class: "primary", autofocus }, action);
  const cancel = el("button", { type: "button", onclick: () => dialog.close() }, "Cancel");
  const form = el(
    "form",
    { method: "dialog" },
    el("h2", { id: "dialog-title" }, title),
    warning ? el("p", {}, warning) : null,
    ...fields.map(control),
    problem,
    el("div", { class: "actions" }, cancel, submit),
  );
  const dialog = /** @type {HTMLDialogElement} */ (el("dialog", { "aria-labelledby": "dialog-title" }, form));
  let isDone = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.hasAttribute("aria-disabled")) return;
    submit.setAttribute("aria-disabled", "true");
    problem.textContent = "";
    try {
      const values = new FormData(/** @type {HTMLFormElement} */ (form));
      await run(Object.fromEntries([...values].map(([name, value]) => [name, String(value).trim()])));
      isDone = true;
      dialog.close();
    } catch (error) {
      problem.textContent = /** @type {Error} */ (error).message;
    } finally {
      submit.removeAttribute("aria-disabled");
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(isDone);
    }),
  );
}

/** @param {Field} field */
function control({ name, label, required, most, value, options, hint }) {
  const shared = { name, id: `field-${name}`, required: required ?? false };
  const described = hint ? { "aria-describedby": `hint-${name}` } : {};
  const input = options
    ? el("select", shared, ...options.map(([each, text]) => el("option", { value: each }, text)))
    : el("input", { ...shared, ...described, maxlength: most ?? null, value: value ?? "", autocomplete: "off", autocapitalize: name === "title" || name === "reason" ? null : "none" });
  return el(
    "p",
    { class: "field" },
    el("label", { for: shared.id }, label),
    input,
    hint ? el("small", { id: `hint-${name}` }, hint) : null,
  );
}
