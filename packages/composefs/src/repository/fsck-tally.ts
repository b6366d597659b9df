import type { HashName } from "@composefs/reflink";
import type { BytePath } from "./byte-path.ts";
import { type Finding, type FindingKind, finding } from "./finding.ts";
import type { ImageReader } from "./gc-mark.ts";

/** What the phases of fsck need of a repository. */
export interface FsckContext {
  readonly repositoryFd: number;
  readonly path: string;
  readonly hash: HashName;
  readonly verity: boolean;
  readonly readImage: ImageReader;
}

/** Things counted while checking. */
export interface Counter {
  checked: number;
  bad: number;
}

/** What the phases of one fsck fill in. */
export class FsckTally {
  readonly findings: Finding[] = [];
  readonly objects: Counter = { checked: 0, bad: 0 };
  readonly streams: Counter = { checked: 0, bad: 0 };
  readonly images: Counter = { checked: 0, bad: 0 };
  /** Paths of links that lead nowhere. */
  readonly brokenLinks: BytePath[] = [];
  missingObjects = 0;
  readonly #onFinding: ((found: Finding) => void) | undefined;

  constructor(onFinding?: (found: Finding) => void) {
    this.#onFinding = onFinding;
  }

  add(kind: FindingKind, path: BytePath, detail?: string): void {
    const found = finding(kind, path, detail);
    this.findings.push(found);
    this.#onFinding?.(found);
  }

  /** Adds what a later phase found, which ran beside this one. */
  append(later: FsckTally): void {
    for (const found of later.findings) {
      this.findings.push(found);
      this.#onFinding?.(found);
    }
    for (const what of ["objects", "streams", "images"] as const) {
      this[what].checked += later[what].checked;
      this[what].bad += later[what].bad;
    }
    for (const link of later.brokenLinks) this.brokenLinks.push(link);
    this.missingObjects += later.missingObjects;
  }
}
