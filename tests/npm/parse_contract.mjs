// Read an AsyncAPI document from stdin with the parser of those who made AsyncAPI, and print what
// it makes of it.
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(0, "utf8"));
const complaints = diagnostics
  .filter((each) => each.severity <= 1)
  .map((each) => `${each.code}: ${each.message} (${each.path.join(".")})`);
const operations = document ? document.operations().all().map((each) => each.id()) : [];
process.stdout.write(JSON.stringify({ complaints, operations, valid: document !== undefined }));
