// What programs need that only look at a repository: without the rest of the package, whose modules take time to load.
export { ComposefsError } from "../errors.ts";
export { contentType } from "../splitstream/format.ts";
export { findingText } from "./finding.ts";
export { fsckJson, fsckLines } from "./fsck-report.ts";
export { mountOf } from "./mount-of.ts";
export { Repository } from "./repository.ts";
