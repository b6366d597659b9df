import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { tar } from "../../packages/composefs-oci/test/tar-builder.ts";

/** What the tag of a registry, or `dir:`, has of a layout: its manifest, or the index if it has several. */
export interface TopDocument {
  readonly mediaType: string;
  readonly digest: string | null;
  /** Null if the layout does not have the blob. */
  readonly bytes: Buffer | null;
}

interface Listed {
  readonly mediaType: string;
  readonly digest: string;
}

/** The document by which the image is found; without a digest for an index that is no blob. */
export function topDocument(layout: string): TopDocument {
  const bytes = readFileSync(join(layout, "index.json"));
  const { manifests } = JSON.parse(bytes.toString("utf8")) as { manifests: Listed[] };
  const [only] = manifests;
  if (only === undefined || manifests.length > 1) {
    return { mediaType: "application/vnd.oci.image.index.v1+json", digest: null, bytes };
  }
  return { ...only, bytes: layoutBlob(layout, only.digest) };
}

/** A blob of a layout, whatever its content; null if there is none. */
export function layoutBlob(layout: string, digest: string): Buffer | null {
  const path = join(layout, "blobs", ...digest.split(":"));
  return existsSync(path) ? readFileSync(path) : null;
}

/** The layout as skopeo's `dir:` has it, in a new directory beneath `parent`. */
export function layoutAsDir(layout: string, parent: string): string {
  const path = mkdtempSync(join(parent, "dir-"));
  const { bytes } = topDocument(layout);
  writeFileSync(join(path, "version"), "Directory Transport Version: 1.1\n");
  if (bytes !== null) writeFileSync(join(path, "manifest.json"), bytes);
  for (const hex of readdirSync(join(layout, "blobs/sha256"))) {
    copyFileSync(join(layout, "blobs/sha256", hex), join(path, hex));
    // Of those that are manifests of an index it is read.
    copyFileSync(join(layout, "blobs/sha256", hex), join(path, `${hex}.manifest.json`));
  }
  return path;
}

/** The image of one manifest as an archive by `docker save` in a new file beneath `parent`, layers compressed as they are. */
export function layoutAsDockerArchive(layout: string, manifest: string, parent: string): string {
  const { config, layers } = JSON.parse(manifest) as { config: Listed; layers: readonly Listed[] };
  const hex = ({ digest }: Listed): string => digest.slice("sha256:".length);
  const image = {
    Config: `${hex(config)}.json`,
    RepoTags: ["localhost/image:1"],
    Layers: layers.map((layer) => `${hex(layer)}.tar`),
  };
  const blobs = [config, ...layers].map(({ digest }) => layoutBlob(layout, digest));
  const files = [image.Config, ...image.Layers].flatMap((name, index) => {
    const content = blobs[index];
    return content == null ? [] : [{ name, content }];
  });
  const path = join(mkdtempSync(join(parent, "docker-")), "saved.tar");
  writeFileSync(path, tar([...files, { name: "manifest.json", content: Buffer.from(JSON.stringify([image])) }]));
  return path;
}
