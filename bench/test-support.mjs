import { register } from "node:module";

// The test support is TypeScript, which Node before 22.18 does not run by itself.
register("./typescript-hook.mjs", import.meta.url);

export const { writeBigLayer } = await import("../tests/support/big-tree.ts");
export const { mountLoopFs } = await import("../tests/support/loop-fs.ts");
export const { createUser } = await import("../tests/support/rootless-user.ts");
export const { run, succeeds } = await import("../tests/support/run.ts");
export const { testStore, userStore } = await import("../tests/support/store.ts");
export const { BIG_FILES, buildBigImage } = await import("../tests/support/store-builder.ts");
export const { installCfsctl } = await import("../tests/support/user-cfsctl.ts");
