/** What `-o` of mount.composefs says. */
export interface MountComposefsOptions {
  /** Directories of objects, searched in order. */
  readonly basedirs: readonly string[];
  /** fs-verity digest that the image must have, hexadecimal. */
  readonly digest?: string;
  /** Objects must have the fs-verity digests that the image records: always, or where the kernel can see to it. */
  readonly verity: "require" | "try" | "no";
  /** The last of `ro` and `rw`; neither: null. */
  readonly access: "ro" | "rw" | null;
  readonly upperdir?: string;
  readonly workdir?: string;
  /** A user namespace, `/proc/PID/ns/user`. */
  readonly idmap?: string;
}

/**
 * Reads the text of `-o`: options between commas, values after `=`; a backslash before either takes it literally.
 *
 * @throws Error for what it does not know, with the messages of cli.md §1.7
 */
export function parseMountOptions(text: string): MountComposefsOptions {
  const values = new Map<string, string>();
  let verity: MountComposefsOptions["verity"] = "no";
  let access: MountComposefsOptions["access"] = null;
  for (const [name, value] of splitOptions(text)) {
    switch (name) {
      case "basedir":
      case "digest":
      case "upperdir":
      case "workdir":
      case "idmap":
        if (value === undefined) throw new Error(`No value specified for ${name} option`);
        values.set(name, value);
        break;
      case "verity":
        verity = "require";
        break;
      case "tryverity":
        if (verity === "no") verity = "try";
        break;
      case "ro":
      case "rw":
        access = name;
        break;
      default:
        throw new Error(`Unsupported option: ${name}`);
    }
  }
  const { basedir = "", ...others } = Object.fromEntries(values) as Record<string, string>;
  const basedirs = basedir.split(":").filter((path) => path !== "");
  if (basedirs.length === 0) throw new Error("No object dirs specified");
  if ((others.upperdir === undefined) !== (others.workdir === undefined)) {
    throw new Error("Both workdir and upperdir must be specified if used");
  }
  return { basedirs, verity: others.digest === undefined ? verity : "require", access, ...others };
}

/** Name and value of each option; the value is undefined without `=`. */
function splitOptions(text: string): [name: string, value: string | undefined][] {
  const options: [string, string | undefined][] = [];
  if (text === "") return options;
  let current: [string, string | undefined] = ["", undefined];
  const add = (char: string): void => {
    current = current[1] === undefined ? [current[0] + char, undefined] : [current[0], current[1] + char];
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (char === "\\" && i + 1 < text.length) {
      add(text[++i] as string);
    } else if (char === ",") {
      options.push(current);
      current = ["", undefined];
    } else if (char === "=" && current[1] === undefined) {
      current = [current[0], ""];
    } else {
      add(char);
    }
  }
  options.push(current);
  return options;
}
