/** Kinds of findings about OCI images (cli.md §1.3). */
export type OciFindingKind =
  | "manifest-read-failed"
  | "manifest-digest-mismatch"
  | "manifest-parse-failed"
  | "config-ref-missing"
  | "config-read-failed"
  | "config-digest-mismatch"
  | "config-parse-failed"
  | "layer-ref-missing"
  | "layer-stream-missing"
  | "layer-check-failed"
  | "layer-object-missing"
  | "seal-image-missing"
  | "artifact-layer-ref-missing"
  | "artifact-layer-object-missing"
  | "ref-resolve-failed"
  | "invalid-ref-name";

/** Something wrong with an image. */
export interface OciFinding {
  readonly kind: OciFindingKind;
  /** What the image was called by. */
  readonly image: string;
  readonly detail: string;
}

/** The finding as one line: `fsck: <kind>: <image>: <detail>`. */
export function ociFindingText({ kind, image, detail }: OciFinding): string {
  return `fsck: ${kind}: ${image}: ${detail}`;
}
