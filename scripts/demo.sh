#!/usr/bin/env bash
# Sets up, then does the main job once: an image in podman's store becomes a composefs repository.
#
#   scripts/demo.sh [--keep] [IMAGE]
#
# Without IMAGE a three-layer image is made from programs and documents of this machine; with one, podman pulls it from
# its registry. As root, store and repository lie on an XFS of their own, where importing shares the blocks; otherwise
# in a temporary directory, where it does so if that file system can. --keep leaves everything in place.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
PATH=$PATH:/usr/sbin:/sbin
keep= image=
for arg in "$@"; do
  case $arg in
    --keep) keep=1 ;;
    -*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    *) image=$arg ;;
  esac
done

"$top/scripts/setup.sh" demo

say() { printf '\n== %s\n' "$*"; }
cfsctl() {
  # Commands are shown as a user would type them.
  printf '$ cfsctl %s\n' "$*"
  node "$top/packages/cfsctl/bin/cfsctl.js" "$@"
}
unmount() { # podman leaves mounts of its own inside, the innermost last
  awk -v under="$1" '$2 == under || index($2, under "/") == 1 { print $2 }' /proc/self/mounts | tac | xargs -r -n 1 umount
}

work=$(mktemp -d "${TMPDIR:-/tmp}/composefs-demo.XXXXXX")
disk=$work
as_owner=() # files of a rootless store belong to other users, so removing them takes podman's user namespace
cleanup() {
  cd /
  if [ -n "$keep" ]; then
    echo "kept in $work; to remove it: ${as_owner[*]} sh -c 'umount -R $disk 2>/dev/null; rm -rf $work'"
    return
  fi
  unmount "$work"
  "${as_owner[@]}" rm -rf "$work"
}
trap cleanup EXIT

if [ "$(id -u)" = 0 ]; then
  if losetup -f >/dev/null 2>&1; then
    say "an XFS with reflinks in $work/xfs.img"
    truncate -s 8G "$work/xfs.img"
    mkfs.xfs -q -m reflink=1 "$work/xfs.img"
    disk=$work/xfs
    mkdir "$disk"
    mount -o loop "$work/xfs.img" "$disk"
  else
    say "no loop device here: without an XFS of its own the import may have to copy"
  fi
else
  grep -q "^$(id -un):" /etc/subuid 2>/dev/null || {
    echo "demo: $(id -un) has no line in /etc/subuid, which rootless podman needs. As root: usermod --add-subuids" \
      "100000-165535 --add-subgids 100000-165535 $(id -un)" >&2
    exit 1
  }
  as_owner=(buildah unshare)
fi

store=(--root "$disk/storage" --runroot "$disk/run" --storage-driver overlay)
if [ -n "$image" ]; then
  say "podman pulls $image"
  podman "${store[@]}" pull --quiet "$image"
else
  image=localhost/demo:latest
  say "buildah makes $image: three layers from this machine's files"
  base=scratch
  for layer in /usr/bin "/usr/lib/python3*" "/usr/share/doc /usr/share/perl5"; do
    stage=$disk/stage
    mkdir "$stage"
    # Not every user may read every file; the demo does not need those. $layer is a list of patterns.
    # shellcheck disable=SC2086
    cp -a --parents -t "$stage" $layer 2>/dev/null || true
    container=$(buildah "${store[@]}" from "$base")
    buildah "${store[@]}" copy --quiet "$container" "$stage" / >/dev/null
    base=$(buildah "${store[@]}" commit --quiet --rm "$container" "$image")
    rm -rf "$stage"
  done
fi

repo=$disk/repo
say "a repository, and the image into it"
cfsctl --repo "$repo" init --insecure
cfsctl --repo "$repo" oci pull "containers-storage:[overlay@$disk/storage+$disk/run]$image" demo
say "what it holds"
cfsctl --repo "$repo" oci images
