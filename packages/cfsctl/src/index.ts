export type { Io } from "./io.ts";
export { runCli } from "./main.ts";
