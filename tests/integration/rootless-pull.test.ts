import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requires } from "../support/capabilities.ts";
import { type CfsctlResult, cfsctl, cfsctlOk } from "../support/cfsctl.ts";
import { cfsctlOf } from "../support/processes.ts";
import { initRepo, type PullOutput, pullJson } from "../support/repo.ts";
import { objects, streamLinks } from "../support/repo-state.ts";
import { buildOwnedImage, defaultStore, OWNED_IMAGE, openRootless, type Rootless } from "../support/rootless.ts";
import { run } from "../support/run.ts";
import { type TestStore, testStore, userStore } from "../support/store.ts";
import { buildImage } from "../support/store-builder.ts";
import { treeDigest } from "../support/tree-digest.ts";

const TAG = "test";

/** A repository of the user's, made by the user. */
async function userRepo(machine: Rootless, name: string): Promise<string> {
  const repo = join(machine.user.home, name);
  await cfsctlOk(["--repo", repo, "init", "--insecure"], { as: machine });
  return repo;
}

function pullAsUser(
  machine: Rootless,
  repo: string,
  image: string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<CfsctlResult> {
  const command = ["--repo", repo, "oci", "pull", "--json", ...args, `containers-storage:${image}`, TAG];
  return cfsctl(command, { as: machine, env });
}

async function pulledAsUser(...args: Parameters<typeof pullAsUser>): Promise<PullOutput> {
  const { stdout, stderr, exitCode } = await pullAsUser(...args);
  if (exitCode !== 0) throw new Error(`status ${exitCode}: ${stderr}`);
  return JSON.parse(stdout) as PullOutput;
}

/** What a pull says and leaves, whoever ran it. */
const idsOf = ({ manifest_digest, config_digest, manifest_verity, config_verity, image }: PullOutput) => ({
  manifest_digest,
  config_digest,
  manifest_verity,
  config_verity,
  image,
});
const contentOf = (repo: string) => ({
  objects: objects(repo).map(({ path, size }) => `${relative(repo, path)} ${size}`),
  streams: streamLinks(repo),
});

async function expectSound(machine: Rootless, repo: string): Promise<void> {
  await cfsctlOk(["--repo", repo, "fsck"], { as: machine });
  await cfsctlOk(["--repo", repo, "oci", "fsck"], { as: machine });
}

describe.skipIf(requires("xfs", "userns", "buildah", "cfsctl") !== null)(
  "a user's store of native overlay on xfs",
  () => {
    let machine: Rootless;
    let store: TestStore;
    let reference: string;
    let fromRoot: PullOutput;
    let rootRepo: string;
    let storeBefore: string;

    beforeAll(async () => {
      machine = openRootless("xfs");
      store = userStore(machine.user, join(machine.user.home, "storage"));
      reference = store.reference(buildOwnedImage(machine.user, store));
      rootRepo = await initRepo(join(machine.path, "root-repo"));
      fromRoot = await pullJson(rootRepo, reference);
      storeBefore = treeDigest(store.root, { inodes: true });
    });
    afterAll(() => machine?.dispose());

    test("the user may not read all of it", () => {
      const shadow = run("sh", ["-c", `ls ${store.root}/overlay/*/diff/etc/shadow`]);
      expect(() => machine.user.run("cat", [shadow])).toThrow(/Permission denied/);
    });

    test.each([[[]], [["--zero-copy"]], [["--hardlink"]], [["--verify=diffid"]]])(
      "the pull gives root's ids, all files by reflink %j",
      async (args) => {
        const repo = await userRepo(machine, `repo${args.join("")}`);
        const pulled = await pulledAsUser(machine, repo, reference, args);
        expect(idsOf(pulled)).toEqual(idsOf(fromRoot));
        expect(pulled.stats).toEqual(fromRoot.stats);
        expect(pulled.stats).toMatchObject({ objects_reflinked: OWNED_IMAGE.objects, objects_copied: 0 });
        expect(contentOf(repo)).toEqual(contentOf(rootRepo));
        await expectSound(machine, repo);
        expect(treeDigest(store.root, { inodes: true })).toBe(storeBefore);
        expect(cfsctlOf(machine.user.uid)).toEqual([]);
      },
    );

    test("a second pull needs no helper", async () => {
      const repo = await userRepo(machine, "repo-twice");
      await pulledAsUser(machine, repo, reference);
      const again = await pulledAsUser(machine, repo, reference, [], { PATH: withoutPrograms("empty") });
      expect(again.changed).toBe(false);
    });

    test("within `podman unshare` the command reads by itself", async () => {
      const repo = await userRepo(machine, "repo-unshared");
      const { node, script } = machine.cfsctl;
      machine.user.unshare(
        `PATH=/nowhere ${node} ${script} --repo ${repo} oci pull 'containers-storage:${reference}' ${TAG}`,
      );
      expect(contentOf(repo)).toEqual(contentOf(rootRepo));
    });

    test("without podman the helper gets a namespace by newuidmap", async () => {
      const repo = await userRepo(machine, "repo-own-namespace");
      const PATH = withoutPrograms("no-podman", "unshare", "newuidmap", "newgidmap", "sh");
      const pulled = await pulledAsUser(machine, repo, reference, [], { PATH });
      expect(pulled.stats).toEqual(fromRoot.stats);
      expect(contentOf(repo)).toEqual(contentOf(rootRepo));
    });

    test.each([
      ["nothing-at-all", []],
      ["no-newuidmap", ["unshare", "sh"]],
    ])("with %s there is no helper, and nothing is written", async (name, programs) => {
      const repo = await userRepo(machine, `repo-${name}`);
      const { exitCode, stderr } = await pullAsUser(machine, repo, reference, [], {
        PATH: withoutPrograms(name, ...programs),
      });
      expect(exitCode).toBe(1);
      expect(stderr).toContain("[HELPER_UNAVAILABLE]");
      expect(contentOf(repo)).toEqual({ objects: [], streams: {} });
      expect(cfsctlOf(machine.user.uid)).toEqual([]);
    });

    test("a podman that fails is told of, and the other way is tried", async () => {
      const repo = await userRepo(machine, "repo-broken-podman");
      const PATH = withoutPrograms("broken-podman", "unshare", "newuidmap", "newgidmap", "sh");
      writeFileSync(join(PATH, "podman"), "#!/bin/sh\necho out of order >&2\nexit 3\n", { mode: 0o755 });
      expect((await pulledAsUser(machine, repo, reference, [], { PATH })).stats).toEqual(fromRoot.stats);
      const none = withoutPrograms("broken-podman-alone");
      writeFileSync(join(none, "podman"), "#!/bin/sh\necho out of order >&2\nexit 3\n", { mode: 0o755 });
      const { stderr } = await pullAsUser(machine, await userRepo(machine, "repo-no-way"), reference, [], {
        PATH: none,
      });
      expect(stderr).toMatch(/exit status 3: out of order.*\[HELPER_UNAVAILABLE\]/);
    });

    test("what is wrong in the store is said in the same words as without helper", async () => {
      const damaged = userStore(machine.user, join(machine.user.home, "damaged"));
      const image = damaged.reference(buildOwnedImage(machine.user, damaged));
      const secret = run("sh", ["-c", `ls ${damaged.root}/overlay/*/diff/usr/share/above`]);
      const original = readFileSync(secret);
      for (const [change, code] of [
        [() => writeFileSync(secret, Buffer.alloc(original.length, "x")), "CONTENT_CHECKSUM_MISMATCH"],
        [() => writeFileSync(secret, Buffer.alloc(original.length + 1)), "SIZE_MISMATCH"],
        [() => run("rm", [secret]), "FILE_NOT_FOUND"],
        [() => symlinkSync("/etc/shadow", secret), "UNSAFE_PATH"],
        [() => run("sh", ["-c", `rm ${damaged.root}/overlay-layers/*.tar-split.gz`]), "TAR_SPLIT_MISSING"],
      ] as const) {
        change();
        const repo = await userRepo(machine, `repo-${code}`);
        const { stderr } = await pullAsUser(machine, repo, image);
        expect(stderr).toContain(`[${code}]`);
        expect(streamLinks(repo)).toEqual({});
        await expectSound(machine, repo);
        expect(cfsctlOf(machine.user.uid)).toEqual([]);
      }
    });

    /** A directory for PATH with links to these programs alone. */
    function withoutPrograms(name: string, ...programs: readonly string[]): string {
      const dir = join(machine.path, `bin-${name}`);
      mkdirSync(dir, { recursive: true });
      for (const program of programs) symlinkSync(run("sh", ["-c", `command -v ${program}`]), join(dir, program));
      return dir;
    }
  },
);

describe.skipIf(requires("xfs", "ext4", "userns", "buildah", "cfsctl") !== null)("where no file can be cloned", () => {
  let machine: Rootless;
  afterAll(() => machine?.dispose());

  test("on ext4 every file is copied, and told as such; --zero-copy refuses before anything is written", async () => {
    machine = openRootless("ext4");
    const store = userStore(machine.user, join(machine.user.home, "storage"));
    const reference = store.reference(buildOwnedImage(machine.user, store));
    const repo = await userRepo(machine, "repo");
    const refused = await pullAsUser(machine, repo, reference, ["--zero-copy"]);
    expect(refused.stderr).toContain("[ZERO_COPY_IMPOSSIBLE]");
    expect(contentOf(repo)).toEqual({ objects: [], streams: {} });
    const { stats } = await pulledAsUser(machine, repo, reference, ["--hardlink"]);
    expect(stats).toMatchObject({
      objects_reflinked: 0,
      objects_hardlinked: 0,
      objects_copied: OWNED_IMAGE.objects,
    });
    await expectSound(machine, repo);
  });
});

describe.skipIf(requires("xfs", "userns", "buildah", "cfsctl") !== null)("places and forms of a user's store", () => {
  let machine: Rootless;
  let expected: PullOutput;
  let name: string;

  beforeAll(async () => {
    machine = openRootless("xfs");
    const store = userStore(machine.user, defaultStore(machine.user));
    name = buildOwnedImage(machine.user, store);
    expected = await pullJson(await initRepo(join(machine.path, "root-repo")), store.reference(name));
  });
  afterAll(() => machine?.dispose());

  test("the default place is found by itself", async () => {
    const pulled = await pulledAsUser(machine, await userRepo(machine, "repo-default"), name);
    expect(idsOf(pulled)).toEqual(idsOf(expected));
  });

  test("the user's storage.conf names graph root and additional store", async () => {
    const elsewhere = userStore(machine.user, join(machine.user.home, "elsewhere"));
    elsewhere.podman("images");
    mkdirSync(join(machine.user.home, ".config/containers"), { recursive: true });
    const conf = join(machine.user.home, ".config/containers/storage.conf");
    writeFileSync(
      conf,
      `[storage]\ndriver = "overlay"\ngraphroot = "${elsewhere.root}"\n` +
        `[storage.options]\nadditionalimagestores = ["${defaultStore(machine.user)}"]\n`,
    );
    try {
      const pulled = await pulledAsUser(machine, await userRepo(machine, "repo-conf"), name);
      expect(idsOf(pulled)).toEqual(idsOf(expected));
    } finally {
      run("rm", ["-r", join(machine.user.home, ".config")]);
    }
  });

  test("an additional store of root's whose files anybody may read needs no helper", async () => {
    const shared = testStore(join(machine.path, "shared"));
    const image = buildImage(shared, "localhost/shared:latest", [
      (dir) => {
        mkdirSync(join(dir, "usr"));
        writeFileSync(join(dir, "usr/file"), Buffer.alloc(5000, "x"));
      },
    ]);
    const fromRoot = await pullJson(await initRepo(join(machine.path, "root-repo-shared")), image);
    // As administrators open such a store, writers of other users being root's affair.
    run("chmod", ["-R", "a+rX", join(machine.path, "shared")]);
    const bin = join(machine.path, "bin-nothing");
    mkdirSync(bin);
    const pulled = await pulledAsUser(machine, await userRepo(machine, "repo-shared"), "localhost/shared", [], {
      PATH: bin,
      STORAGE_OPTS: `overlay.imagestore=${shared.root}`,
    });
    expect(idsOf(pulled)).toEqual(idsOf(fromRoot));
    expect(pulled.stats).toMatchObject({ objects_reflinked: 1, objects_copied: 0 });
  });

  test.skipIf(requires("fuse") !== null)("fuse-overlayfs", async () => {
    const options = ["--storage-opt", "mount_program=/usr/bin/fuse-overlayfs"];
    const store = userStore(machine.user, join(machine.user.home, "fuse"), options);
    const reference = store.reference(buildOwnedImage(machine.user, store, options));
    const pulled = await pulledAsUser(machine, await userRepo(machine, "repo-fuse"), reference);
    const fromRoot = await pullJson(await initRepo(join(machine.path, "root-repo-fuse")), reference);
    expect(idsOf(pulled)).toEqual(idsOf(fromRoot));
    expect(pulled.stats).toMatchObject({ objects_reflinked: OWNED_IMAGE.objects, objects_copied: 0 });
  });
});

describe.skipIf(requires("xfs", "userns", "buildah", "cfsctl") !== null)("a user without subordinate ids", () => {
  let machine: Rootless;
  afterAll(() => machine?.dispose());

  test("reads its store of ignore_chown_errors, where all files are its own", async () => {
    machine = openRootless("xfs", { subordinateIds: false });
    const source = testStore(join(machine.path, "source"));
    const image = buildImage(source, "localhost/owned:latest", [
      (dir) => {
        mkdirSync(join(dir, "usr"));
        for (const [file, owner, mode] of [
          ["other", "33:33", "0600"],
          ["locked", "0:0", "0000"],
        ] as const) {
          const path = join(dir, "usr", file);
          writeFileSync(path, Buffer.alloc(5000, file));
          run("chown", [owner, path]);
          run("chmod", [mode, path]);
        }
      },
    ]);
    const fromRoot = await pullJson(await initRepo(join(machine.path, "root-repo")), image);
    const archive = join(machine.path, "image.tar");
    source.podman("save", "--quiet", "--format", "oci-archive", "--output", archive, "localhost/owned:latest");
    machine.user.own(archive);
    const options = ["--storage-opt", "ignore_chown_errors=true"];
    const store = userStore(machine.user, join(machine.user.home, "storage"), options);
    store.podman("load", "--quiet", "--input", archive);
    const reference = store.reference("localhost/owned:latest");
    for (const [repo, env] of [
      ["repo-podman", {}],
      ["repo-own", { PATH: join(machine.path, "bin") }],
    ] as const) {
      mkdirSync(join(machine.path, "bin"), { recursive: true });
      if ("PATH" in env) symlinkSync(run("sh", ["-c", "command -v unshare"]), join(env.PATH, "unshare"));
      const pulled = await pulledAsUser(machine, await userRepo(machine, repo), reference, [], env);
      expect(pulled.config_verity).toBe(fromRoot.config_verity);
      expect(pulled.image).toBe(fromRoot.image);
      expect(pulled.stats).toMatchObject({ objects_reflinked: 2, objects_copied: 0 });
    }

    // As in a container that runs under an id of its own: no name goes with it.
    const repo = await userRepo(machine, "repo-nameless");
    const { uid, gid } = machine.user;
    const pull = [machine.cfsctl.node, machine.cfsctl.script, "--repo", repo, "oci", "pull"];
    run("unshare", [
      ...["--mount", "sh", "-e", "-c", 'mount --bind /dev/null /etc/passwd; exec "$@"', "sh"],
      ...["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"],
      ...["env", "-i", `HOME=${machine.user.home}`, `PATH=${join(machine.path, "bin")}`],
      ...[...pull, `containers-storage:${reference}`, TAG],
    ]);
    expect(contentOf(repo)).toEqual(contentOf(join(machine.user.home, "repo-own")));
  });
});
