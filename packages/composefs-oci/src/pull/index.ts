// A pull without the rest of the package, whose modules take time to load.

export { givenTagRef } from "../image/tag-name.ts";
export { pull } from "./pull.ts";
export { hasTransport } from "./transport.ts";
