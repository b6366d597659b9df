/**
 * Where large temporary files go: `TMPDIR`, else `/var/tmp` as for podman and skopeo, since `/tmp` is memory on many machines.
 */
export function temporaryDirectory(): string {
  return process.env.TMPDIR || "/var/tmp";
}
