// What `sessions.d.ts` says of the client, the client is. Compiled by a test, never run.
import { SessionsClient as Client } from "../../sessions_app/static/sessions_app/sessions/client.js";
import * as errors from "../../sessions_app/static/sessions_app/sessions/errors.js";
import type * as told from "../../sessions_app/static/sessions_app/sessions.d.ts";

declare const options: told.ClientOptions;
declare const failed: errors.CallFailed;
declare const stopped: errors.Stopped;

export const client: told.SessionsClient = new Client(options);
export const members: Record<Exclude<keyof Client, keyof told.SessionsClient>, never> = {};
export const failure: told.CallFailed = failed;
export const end: told.Stopped = stopped;
export const back: ConstructorParameters<typeof Client>[0] = options;
