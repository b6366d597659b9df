import { chmodSync } from "node:fs";
import { join } from "node:path";
import { type FsType, mountLoopFs } from "./loop-fs.ts";
import { type CreateUserOptions, createUser, type RootlessUser } from "./rootless-user.ts";
import type { TestStore } from "./store.ts";
import { installCfsctl, type UserCfsctl } from "./user-cfsctl.ts";

/** A file system with a user's home, and the command where the user reaches it. */
export interface Rootless {
  /** Where the file system is mounted; anybody may write there. */
  readonly path: string;
  readonly user: RootlessUser;
  readonly cfsctl: UserCfsctl;
  dispose(): void;
}

/** Needs root and what {@link createUser} needs. */
export function openRootless(type: FsType, options: CreateUserOptions = {}): Rootless {
  const fs = mountLoopFs(type, { size: 2 ** 30 });
  chmodSync(fs.path, 0o777);
  // Mounted before podman makes the user's namespace, which would not see it otherwise.
  const cfsctl = installCfsctl(fs.path);
  const user = createUser(fs.path, options);
  return {
    path: fs.path,
    user,
    cfsctl,
    dispose: () => {
      user.dispose();
      cfsctl.dispose();
      fs.dispose();
    },
  };
}

/** Files of {@link buildOwnedImage} that become objects, and the bytes of those that stay inline. */
export const OWNED_IMAGE = { objects: 7, inlineFiles: 2 } as const;

/**
 * Has a user build an image with files of several owners and modes, also such as no other user may read, in two layers.
 * Returns its name.
 */
export function buildOwnedImage(user: RootlessUser, store: TestStore, options: readonly string[] = []): string {
  const name = "localhost/owned:latest";
  const place = `--root ${store.root} --runroot ${store.runRoot} --storage-driver overlay ${options.join(" ")}`;
  user.unshare(`
    buildah() { command buildah ${place} "$@"; }
    file() { head -c "$2" /dev/zero | tr '\\0' "$3" > "$m/$1"; chown "$4" "$m/$1"; chmod "$5" "$m/$1"; }
    c=$(buildah from scratch); m=$(buildah mount $c)
    mkdir -p $m/usr/bin $m/etc $m/srv/private
    file usr/bin/tool 300000 a 0:0 0755
    file usr/bin/setuid 70000 b 33:33 4755
    file etc/shadow 900 c 0:42 0000
    file etc/secret 800 d 1000:1000 0600
    file etc/tiny 40 e 5:5 0600
    file srv/private/readable 5000 f 1000:1000 0644
    chown 1000:1000 $m/srv/private; chmod 0700 $m/srv/private
    buildah umount $c
    base=$(buildah commit -q --timestamp 1700000000 --rm $c)
    c=$(buildah from $base); m=$(buildah mount $c)
    mkdir $m/usr/share
    file usr/share/above 100000 g 65534:65534 0400
    file usr/share/locked 64 h 0:0 0000
    file usr/share/just-over 65 i 0:0 0000
    rm $m/etc/secret
    buildah umount $c
    buildah commit -q --timestamp 1700000000 --rm $c ${name}
  `);
  return name;
}

/** A store's default place for a user. */
export function defaultStore(user: RootlessUser): string {
  return join(user.home, ".local/share/containers/storage");
}
