import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layoutBlob, type TopDocument, topDocument } from "./layout-forms.ts";

/** A registry of this process that has layouts as they are, sound or not. */
export interface LayoutRegistry {
  /** Offers a layout; returns its reference. */
  offer(layout: string): string;
  /** Variables under which it is found by plain HTTP, and nothing of this machine counts. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/** Starts it on a free port of loopback. It answers `GET` of manifests and blobs, which is all that a pull asks for. */
export async function startLayoutRegistry(): Promise<LayoutRegistry> {
  const layouts: string[] = [];
  const server = createServer((request, response) => {
    const [, index, kind, name = ""] =
      /^\/v2\/image\/(\d+)\/(manifests|blobs)\/([^/?]+)$/.exec(request.url ?? "") ?? [];
    const layout = layouts[Number(index)];
    if (request.url === "/v2/") response.end();
    else if (layout === undefined || request.method !== "GET") missing(response);
    else if (name === "latest") answer(response, topDocument(layout));
    else answer(response, { bytes: layoutBlob(layout, name), mediaType: kind === "blobs" ? BLOB : "", digest: name });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const home = mkdtempSync(join(tmpdir(), "layout-registry-"));
  const [conf, auth] = [join(home, "registries.conf"), join(home, "auth.json")];
  writeFileSync(conf, `[[registry]]\nlocation = "${host}"\ninsecure = true\n`);
  writeFileSync(auth, "{}");
  return {
    offer: (layout) => `docker://${host}/image/${layouts.push(layout) - 1}`,
    env: { HOME: home, CONTAINERS_REGISTRIES_CONF: conf, REGISTRY_AUTH_FILE: auth, no_proxy: "127.0.0.1" },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      rmSync(home, { recursive: true });
    },
  };
}

const BLOB = "application/octet-stream";

/** Without a media type it is the client's to find out. */
function answer(response: ServerResponse, { bytes, mediaType, digest }: TopDocument): void {
  if (bytes === null) {
    missing(response);
    return;
  }
  if (mediaType !== "") response.setHeader("content-type", mediaType);
  if (digest !== null) response.setHeader("docker-content-digest", digest);
  response.end(bytes);
}

function missing(response: ServerResponse): void {
  response.writeHead(404, { "content-type": "application/json" });
  response.end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not there"}]}');
}
