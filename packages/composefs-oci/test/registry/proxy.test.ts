import { createServer, type IncomingMessage, request, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { openRegistrySource } from "../../src/registry/open-registry.ts";
import { proxyFor } from "../../src/registry/proxy.ts";
import { codeFrom, optionsFor, startScripted } from "./scripted-registry.ts";

describe("which", () => {
  const env = { http_proxy: "http://plain:3128", HTTPS_PROXY: "tls.example:3129" };
  test.each<[string, Record<string, string>, string | null]>([
    ["http://a.io/", env, "http://plain:3128/"],
    ["https://a.io/", env, "http://tls.example:3129/"],
    ["https://a.io/", {}, null],
    ["https://a.io/", { http_proxy: "http://plain:3128" }, null],
    ["https://a.io/", { https_proxy: "https://secure" }, "https://secure/"],
    ["https://a.io/", { https_proxy: "socks5://x:1" }, null],
    ["https://a.io/", { https_proxy: "http://[" }, null],
    ["https://localhost/", env, null],
    ["https://127.0.0.9/", env, null],
    ["https://[::1]/", env, null],
  ])("%s with %j", (url, variables, expected) => {
    expect(proxyFor(new URL(url), variables)?.href ?? null).toBe(expected);
  });

  // As Go's x/net/http/httpproxy documents NO_PROXY.
  test.each([
    ["*", "a.io", true],
    ["a.io", "a.io", true],
    ["a.io", "b.a.io", true],
    ["A.IO", "b.a.io", true],
    ["a.io", "ba.io", false],
    [".a.io", "b.a.io", true],
    [".a.io", "a.io", false],
    ["x, a.io ,y", "a.io", true],
    ["a.io:443", "a.io", true],
    ["a.io:5000", "a.io", false],
    ["a.io:5000", "a.io:5000", true],
    ["10.1.2.3", "10.1.2.3", true],
    ["10.0.0.0/8", "10.1.2.3", true],
    ["10.0.0.0/8", "11.1.2.3", false],
    ["10.0.0.0/8", "a.io", false],
    ["10.0.0.0/99", "10.1.2.3", false],
    ["fd00::/8", "[fd00::1]", true],
    ["fd00::1", "[fd00::1]", true],
    ["[fd00::1]:443", "[fd00::1]", true],
    ["", "a.io", false],
    [",,", "a.io", false],
  ])("no_proxy %s: %s %s", (no_proxy, host, exempt) => {
    expect(proxyFor(new URL(`https://${host}/`), { ...env, no_proxy }) === null).toBe(exempt);
  });
});

describe("the way through one", () => {
  let proxy: Server | undefined;
  const seen: string[] = [];
  afterEach(() => {
    seen.length = 0;
    proxy?.closeAllConnections();
    proxy?.close();
  });

  /** A proxy that finds all hosts at `port` of this machine. */
  async function startProxy(port: number, status = 200): Promise<string> {
    const note = (incoming: IncomingMessage): void => {
      seen.push(`${incoming.method} ${incoming.url} ${incoming.headers["proxy-authorization"]}`);
    };
    proxy = createServer((incoming, outgoing) => {
      note(incoming);
      const { pathname } = new URL(incoming.url ?? "");
      request({ port, path: pathname, headers: incoming.headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(outgoing);
      }).end();
    });
    proxy.on("connect", (incoming, socket) => {
      note(incoming);
      if (status !== 200) {
        socket.end(`HTTP/1.1 ${status} No\r\n\r\n`);
        return;
      }
      const upstream = connect(port, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        upstream.pipe(socket).pipe(upstream);
      });
      upstream.on("error", () => socket.destroy());
      socket.on("error", () => upstream.destroy());
    });
    await new Promise<void>((resolve) => proxy?.listen(0, "127.0.0.1", resolve));
    return `user:p%40ss@127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  }

  function optionsBy(address: string): Parameters<typeof openRegistrySource>[1] {
    const options = optionsFor(["registry.test"]);
    const env = { ...options.environment?.env, http_proxy: `http://${address}`, https_proxy: `http://${address}` };
    return { ...options, environment: { ...options.environment, env } };
  }

  test("HTTP", async () => {
    const registry = await startScripted((_, response) => response.end("{}"));
    const source = await openRegistrySource(
      "docker://registry.test/app",
      optionsBy(await startProxy(Number(registry.host.split(":")[1]))),
    );
    expect(await codeFrom(source.candidates())).toBe("none");
    const user = `Basic ${Buffer.from("user:p@ss").toString("base64")}`;
    // The look for HTTPS first; what answers there speaks plain HTTP.
    expect(seen).toEqual([
      `CONNECT registry.test:443 ${user}`,
      `GET http://registry.test/v2/ ${user}`,
      `GET http://registry.test/v2/app/manifests/latest ${user}`,
    ]);
    expect(registry.seen[0]?.headers.host).toBe("registry.test");
    await source.close();
    await registry.close();
  });

  test("a proxy that refuses", async () => {
    const address = await startProxy(1, 407);
    const source = await openRegistrySource("docker://other.test/app", optionsBy(address));
    expect(await codeFrom(source.candidates())).toBe("TRANSPORT");
    expect(seen).toHaveLength(1);
    await source.close();
  });
});
