#!/usr/bin/env bash
# Makes a Debian machine ready: system packages, Node packages, build.
#
#   scripts/setup.sh [build|demo|test]
#
#   build  what compiles the native addon (the default)
#   demo   also podman, buildah and XFS, for scripts/demo.sh
#   test   also everything the integration tests mount and call
#
# As root it installs missing packages with apt-get; otherwise it prints the command to run.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-build}

# "program package": asking for the program finds it however it was installed.
build=("g++ g++" "cmake cmake" "make make" "python3 python3") # python3: node-gyp compiles zstd-napi
demo=("podman podman" "buildah buildah" "newuidmap uidmap" "fuse-overlayfs fuse-overlayfs" "mkfs.xfs xfsprogs" "losetup mount")
tests=("skopeo skopeo" "crun crun" "mkfs.btrfs btrfs-progs" "mkfs.ext4 e2fsprogs" "filefrag e2fsprogs" "mkfs.erofs erofs-utils"
  "docker-registry docker-registry" "openssl openssl" "umoci umoci" "zstd zstd" "fsverity fsverity")
case $mode in
  build) wanted=("${build[@]}") ;;
  demo) wanted=("${build[@]}" "${demo[@]}") ;;
  test) wanted=("${build[@]}" "${demo[@]}" "${tests[@]}") ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

node_help="Node 20.19 or newer is needed (https://nodejs.org, or: npx -y -p node@24 -- bash $0 $mode)"
command -v node >/dev/null || { echo "setup: no node in PATH. $node_help" >&2; exit 1; }
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  { echo "setup: found Node $(node --version). $node_help" >&2; exit 1; }
command -v npx >/dev/null || { echo "setup: no npx in PATH; it comes with npm. $node_help" >&2; exit 1; }

PATH=$PATH:/usr/sbin:/sbin # mkfs and losetup are not in every user's PATH
missing=()
for pair in "${wanted[@]}"; do
  read -r program package <<<"$pair"
  command -v "$program" >/dev/null || missing+=("$package")
done
[ -e /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
if [ ${#missing[@]} -gt 0 ]; then
  mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "setup: packages are missing. Run this as root, then start again:" >&2
    echo "  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}" >&2
    exit 1
  fi
  echo "setup: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -qq update
  apt-get -qq install -y --no-install-recommends "${missing[@]}" >/dev/null
fi

# node-gyp downloads Node's headers unless it is told where they are. Node-API does not change between versions, so those
# of another Node (the npm package "node" brings none) do as well.
nodedir=${npm_config_nodedir:-$(npm config get nodedir 2>/dev/null || true)}
case $nodedir in
  "" | undefined | null)
    nodedir=
    for prefix in "$(dirname "$(dirname "$(readlink -f "$(command -v node)")")")" /usr /usr/local; do
      if [ -e "$prefix/include/node/node_api.h" ]; then nodedir=$prefix; break; fi
    done ;;
esac
# Exported even if npm knows it: pnpm does not hand npm's settings on.
if [ -n "$nodedir" ]; then export npm_config_nodedir=$nodedir; fi

# The version that package.json pins, whether or not pnpm is installed. --package is said outright because inside an
# outer "npx -p node@24" npx finds that one's in its environment, and would take pnpm@… for a command of that package.
pnpm=$(node -p 'JSON.parse(fs.readFileSync("package.json", "utf8")).packageManager')
pnpm() { npx -y --package="$pnpm" -- pnpm "$@" </dev/null; }
# Without a terminal pnpm would refuse to replace a node_modules made by another version.
pnpm install --frozen-lockfile --config.confirmModulesPurge=false
pnpm run build
