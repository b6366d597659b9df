import type { CommandBuilder } from "../context.ts";

/** A command whose module is loaded when a command line may mean it. */
interface LazyCommand {
  /** Its name, and its aliases. */
  readonly names: readonly string[];
  readonly load: (argv: readonly string[]) => Promise<CommandBuilder>;
}

const HELP: ReadonlySet<string> = new Set(["help", "--help", "-h"]);
const VERSION: ReadonlySet<string> = new Set(["--version", "-V"]);

/**
 * The builders of the commands that a command line may mean: those whose names are among its words. All of them for help,
 * and for a line with no command's name, so that suggestions have something to suggest. Loading all takes about 20 ms.
 */
export async function loadCommands(argv: readonly string[]): Promise<CommandBuilder[]> {
  return VERSION.has(argv[0] ?? "") ? [] : loadFrom(COMMANDS, argv);
}

/** In the order of the help. */
const COMMANDS: readonly LazyCommand[] = [
  { names: ["init"], load: async () => (await import("./init.ts")).addInit },
  { names: ["transaction"], load: async () => (await import("./transaction.ts")).addTransaction },
  { names: ["cat"], load: async () => (await import("./cat.ts")).addCat },
  { names: ["gc"], load: async () => (await import("./gc.ts")).addGc },
  { names: ["fsck"], load: async () => (await import("./fsck.ts")).addFsck },
  { names: ["import-image"], load: async () => (await import("./import-image.ts")).addImportImage },
  { names: ["images", "list-images"], load: async () => (await import("./images.ts")).addImages },
  { names: ["mount"], load: async () => (await import("./mount.ts")).addMount },
  { names: ["create-image"], load: async () => (await import("./create-image.ts")).addCreateImage },
  { names: ["compute-id"], load: async () => (await import("./compute-id.ts")).addComputeId },
  { names: ["compute-karg"], load: async () => (await import("./compute-karg.ts")).addComputeKarg },
  { names: ["create-dumpfile"], load: async () => (await import("./create-dumpfile.ts")).addCreateDumpfile },
  { names: ["image-objects"], load: async () => (await import("./image-objects.ts")).addImageObjects },
  { names: ["dump-files"], load: async () => (await import("./dump-files.ts")).addDumpFiles },
  { names: ["streams"], load: async () => (await import("./streams.ts")).addStreams },
  { names: ["oci"], load: loadOci },
];

/** The commands of `oci`, in the order of the help. */
const OCI_COMMANDS: readonly LazyCommand[] = [
  { names: ["pull"], load: async () => (await import("./oci/pull.ts")).addOciPull },
  { names: ["copy"], load: async () => (await import("./oci/copy.ts")).addOciCopy },
  { names: ["export"], load: async () => (await import("./oci/export.ts")).addOciExport },
  { names: ["push"], load: async () => (await import("./oci/push.ts")).addOciPush },
  { names: ["prepare-boot"], load: async () => (await import("./oci/prepare-boot.ts")).addOciPrepareBoot },
  { names: ["images"], load: async () => (await import("./oci/images.ts")).addOciImages },
  { names: ["inspect"], load: async () => (await import("./oci/inspect.ts")).addOciInspect },
  { names: ["tag"], load: async () => (await import("./oci/tag.ts")).addOciTag },
  { names: ["untag"], load: async () => (await import("./oci/untag.ts")).addOciUntag },
  { names: ["rm"], load: async () => (await import("./oci/rm.ts")).addOciRm },
  { names: ["layer"], load: async () => (await import("./oci/layer.ts")).addOciLayer },
  { names: ["import-layer"], load: async () => (await import("./oci/import-layer.ts")).addOciImportLayer },
  { names: ["dump"], load: async () => (await import("./oci/dump.ts")).addOciDump },
  { names: ["compute-id"], load: async () => (await import("./oci/compute-id.ts")).addOciComputeId },
  { names: ["mount"], load: async () => (await import("./oci/mount.ts")).addOciMount },
  {
    names: ["linked-erofs-images"],
    load: async () => (await import("./oci/linked-erofs-images.ts")).addOciLinkedErofsImages,
  },
  { names: ["fsck"], load: async () => (await import("./oci/fsck.ts")).addOciFsck },
];

function loadFrom(commands: readonly LazyCommand[], argv: readonly string[]): Promise<CommandBuilder[]> {
  const named = commands.filter(({ names }) => names.some((name) => argv.includes(name)));
  const all = named.length === 0 || argv.some((word) => HELP.has(word));
  return Promise.all((all ? commands : named).map(({ load }) => load(argv)));
}

async function loadOci(argv: readonly string[]): Promise<CommandBuilder> {
  const builders = await loadFrom(OCI_COMMANDS, argv);
  return (parent, context) => {
    const oci = parent.command("oci").description("work on OCI images");
    for (const add of builders) add(oci, context);
  };
}
