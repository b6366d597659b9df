import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { askHelper } from "../../src/registry/credential-helper.ts";
import { findCredentials } from "../../src/registry/credentials.ts";
import { registryEnvironment } from "../../src/registry/environment.ts";
import { codeFrom } from "./scripted-registry.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "credentials-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(name: string, content: object | string): string {
  const path = join(dir, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

function helper(name: string, script: string): void {
  chmodSync(write(`bin/docker-credential-${name}`, `#!/bin/sh\n${script}\n`), 0o755);
}

function env(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  return { PATH: `${dir}/bin:${process.env.PATH}`, XDG_RUNTIME_DIR: join(dir, "run"), ...more };
}

const login = (user: string): object => ({
  auths: { "my.io": { auth: Buffer.from(`${user}:pw`).toString("base64") } },
});

/** The user that is found, or what was found instead. */
async function found(more: NodeJS.ProcessEnv = {}): Promise<string> {
  const environment = registryEnvironment({ env: env(more), home: join(dir, "home") });
  const { credentials, helperFailure } = await findCredentials(environment, "my.io", "a/b");
  return credentials?.kind === "password" ? credentials.user : `${credentials} ${helperFailure?.message}`;
}

describe("files, the first that has something", () => {
  const FILES = ["run/containers/auth.json", "home/.config/containers/auth.json", "home/.docker/config.json"];

  test.each(FILES.map((_, i) => [FILES.slice(i), FILES[i]] as const))("of %s: %s", async (files, expected) => {
    for (const file of files) write(file, login(file));
    expect(await found()).toBe(expected);
  });

  test("none", async () => expect(await found()).toBe("null undefined"));

  test("an empty one, and one about others", async () => {
    write(FILES[0] as string, "");
    write(FILES[1] as string, { auths: { "other.io": { auth: "YTpi" } } });
    write(FILES[2] as string, login("docker"));
    expect(await found()).toBe("docker");
  });

  test("REGISTRY_AUTH_FILE alone", async () => {
    write(FILES[0] as string, login("other"));
    expect(await found({ REGISTRY_AUTH_FILE: write("mine", login("me")) })).toBe("me");
    expect(await found({ REGISTRY_AUTH_FILE: join(dir, "not-there") })).toBe("null undefined");
  });

  test("DOCKER_CONFIG", async () => {
    write("docker/config.json", login("me"));
    expect(await found({ DOCKER_CONFIG: join(dir, "docker") })).toBe("me");
  });

  test("a damaged one", async () => {
    write(FILES[1] as string, "{");
    expect(await codeFrom(found())).toBe("REGISTRY_CONFIG_INVALID");
  });

  test("a helper, and what follows when it knows nothing or fails", async () => {
    write(FILES[0] as string, { credHelpers: { "my.io": "mine" } });
    helper("mine", 'read -r server; echo "{\\"Username\\": \\"$server\\", \\"Secret\\": \\"x\\"}"');
    expect(await found()).toBe("my.io");
    helper("mine", "echo credentials not found in native keychain; exit 1");
    expect(await found()).toBe("null undefined");
    helper("mine", "echo secret; exit 3");
    expect(await found()).toBe("null docker-credential-mine: it ended with status 3");
    write(FILES[1] as string, login("next"));
    expect(await found()).toBe("next");
  });
});

describe("helpers", () => {
  const ask = (timeoutMs = 5000, signal?: AbortSignal) => askHelper("h", "my.io", { env: env(), timeoutMs, signal });

  test.each<[string, string, object | null]>([
    [
      "a password",
      'echo \'{"ServerURL":"x","Username":"u","Secret":"s"}\'',
      { kind: "password", user: "u", password: "s" },
    ],
    ["a token", 'echo \'{"Username":"<token>","Secret":"s"}\'', { kind: "identity-token", token: "s" }],
    ["nothing", "echo credentials not found in native keychain; exit 1", null],
    ["nothing, with status 0", "echo credentials not found in native keychain", null],
    ["nothing, in JSON", 'echo \'{"Username":"","Secret":""}\'', null],
    [
      "input that is not read",
      'exec <&-; sleep 0.1; echo \'{"Username":"<token>","Secret":"s"}\'',
      { kind: "identity-token", token: "s" },
    ],
  ])("%s", async (_, script, expected) => {
    helper("h", script);
    expect(await ask()).toEqual(expected);
  });

  test.each([
    ["a failure", "echo the-secret; echo the-secret >&2; exit 1"],
    ["no JSON", "echo the-secret"],
    ["null", "echo null"],
    ["no user", 'echo \'{"Secret":"the-secret"}\''],
    ["too much", "yes the-secret"],
    ["no end", "sleep 60"],
    ["an end by a signal", "kill -9 $$"],
  ])("%s: an error without what it printed", async (_, script) => {
    helper("h", script);
    const error = await ask(500).catch((thrown) => thrown);
    expect(error).toBeInstanceOf(Error);
    expect(`${error.stack}${error.cause}`).not.toContain("the-secret");
  });

  test("aborted", async () => {
    helper("h", "sleep 60");
    const controller = new AbortController();
    const reason = new Error("enough");
    setTimeout(() => controller.abort(reason), 50);
    await expect(ask(60_000, controller.signal)).rejects.toBe(reason);
  });
});
