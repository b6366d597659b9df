// A pull without the rest of the package, whose modules take time to load.
export { pull } from "./pull.ts";
