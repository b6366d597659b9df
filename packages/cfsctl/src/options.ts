import { InvalidArgumentError, Option } from "commander";

/** An option with a value that may be given once. `choices` limits the values. */
export function valueOption(flags: string, description: string, choices?: readonly string[]): Option {
  const option = new Option(flags, choices === undefined ? description : `${description} (${choices.join(", ")})`);
  return option.argParser((value: string, previous: unknown) => {
    if (previous !== undefined) throw new InvalidArgumentError("It was given already.");
    if (choices !== undefined && !choices.includes(value)) {
      throw new InvalidArgumentError(`Allowed choices are ${choices.join(", ")}.`);
    }
    return value;
  });
}

/** Shape of JSON on standard output: as composefs-rs has it, or one without its oddities (cli.md §1.8, D22). */
export type JsonVersion = "v1" | "v2";

/** `--json[=v2]`: {@link namedJsonVersions} has made the version explicit. */
export function jsonOption(description: string): Option {
  return valueOption("--json [version]", description, ["v1", "v2"]);
}

/** Arguments where `--json` names its version, so that it takes no argument after it for one. */
export function namedJsonVersions(argv: readonly string[]): string[] {
  const end = argv.includes("--") ? argv.indexOf("--") : argv.length;
  return argv.map((arg, i) => (arg === "--json" && i < end ? "--json=v1" : arg));
}

/** `--xattrs`, of the commands that make a file tree. */
export function xattrsOption(): Option {
  return valueOption("--xattrs <which>", "xattrs to keep (default: allowlist-only)", [
    "allowlist-only",
    "keep-user-xattrs",
  ]);
}

/** `--compat-whiteouts`, of the commands that apply layers. */
export function compatWhiteoutsOption(): Option {
  return new Option("--compat-whiteouts", "read whiteouts as composefs-rs does: also against files of their own layer");
}

/** Options before the first subcommand (cli.md §1.2). */
export interface GlobalOptions {
  /** A path, or false for --no-repo. */
  readonly repo?: string | false;
  readonly user?: true;
  readonly system?: true;
  readonly hash?: "sha256" | "sha512";
  readonly erofsVersion?: "0" | "1" | "2";
  readonly requireVerity?: true;
  readonly upgrade: boolean;
  readonly insecure?: true;
}

/** The options of {@link GlobalOptions}. */
export function globalOptions(): Option[] {
  return [
    valueOption("--repo <path>", "repository to work on").conflicts(["user", "system"]),
    new Option("--user", "the user's repository, ~/.var/lib/composefs").conflicts("system"),
    new Option("--system", "the system's repository, /sysroot/composefs"),
    valueOption("--hash <hash>", "hash the repository must have", ["sha256", "sha512"]),
    valueOption("--erofs-version <version>", "EROFS format for this call", ["0", "1", "2"]),
    new Option("--require-verity", "fail unless the repository requires fs-verity"),
    new Option("--no-upgrade", "refuse a repository without meta.json instead of writing it"),
    new Option("--no-repo", "work without a repository"),
    new Option("--insecure", "do not require fs-verity").hideHelp(),
  ];
}
