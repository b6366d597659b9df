import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** Sources are used straight from `src/`, so tests need no TypeScript build; only the addon must be compiled. */
const conditions = ["@composefs/source", "node", "import", "default"];
const project = (name: string, include: string[], extra: Record<string, unknown> = {}) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    name,
    include,
    environment: "node" as const,
    // What the kernel does after the fact, as letting go of a loop device, takes its time on a busy machine.
    expect: { poll: { timeout: 50_000 } },
    ...extra,
  },
});

export default defineConfig({
  test: {
    // All processors, where Vitest would leave one idle; not more than what disks and memory bear.
    maxWorkers: Math.min(availableParallelism(), 4),
    projects: [
      project("unit", ["packages/*/test/**/*.test.ts", "native/*/test/**/*.test.ts"], {
        // A disk that others keep busy takes its time for a syncfs.
        testTimeout: 60_000,
      }),
      project("conformance", ["tests/conformance/**/*.test.ts"], { testTimeout: 60_000 }),
      project("integration", ["tests/integration/**/*.test.ts"], {
        testTimeout: 300_000,
        hookTimeout: 300_000,
      }),
    ],
  },
});
