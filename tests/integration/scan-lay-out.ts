import type { PlainEntry } from "../../packages/composefs/test/support/plain-tree.ts";
import { run } from "../support/run.ts";

/** Makes the nodes of the list beneath a directory: owners, times and xattrs last, children before their parents. */
const LAY_OUT = `
import json, os, stat, sys
root, nodes = os.fsencode(sys.argv[1]), json.load(sys.stdin)
raw = lambda text: text.encode("latin1")
place = lambda node: root + raw(node["path"])
TYPES = {"char": stat.S_IFCHR, "block": stat.S_IFBLK, "fifo": stat.S_IFIFO, "socket": stat.S_IFSOCK}
for node in nodes:
    content, path = node["content"], place(node)
    kind = content["kind"]
    if "linkTo" in node: os.link(root + raw(node["linkTo"]), path, follow_symlinks=False)
    elif kind == "directory": os.makedirs(path, exist_ok=True)
    elif kind == "symlink": os.symlink(raw(content["target"]), path)
    elif kind in TYPES: os.mknod(path, TYPES[kind] | 0o600, int(content.get("rdev", "0")))
    else:
        with open(path, "wb") as file:
            if kind == "inline": file.write(raw(content["bytes"]))
            else:
                size = int(content["size"])
                file.write((bytes(range(251)) * (size // 251 + 1))[:size])
for node in reversed(nodes):
    path, s = place(node), node["stat"]
    if "linkTo" in node: continue
    os.chown(path, s["uid"], s["gid"], follow_symlinks=False)
    if node["content"]["kind"] != "symlink": os.chmod(path, int(s["mode"], 8))
    for name, value in s["xattrs"].items(): os.setxattr(path, raw(name), raw(value), follow_symlinks=False)
for node in reversed(nodes):
    seconds, nanoseconds = (int(text.rstrip("ns")) for text in node["stat"]["mtime"].split(" "))
    time = seconds * 10**9 + nanoseconds
    os.utime(place(node), ns=(time, time), follow_symlinks=False)
`;

/**
 * Lays a tree out as real files beneath `root`. External files get the content of the vectors: byte *i* is *i* mod 251.
 * Needs root where owners differ or devices are among them.
 */
export function layOut(root: string, nodes: readonly PlainEntry[]): void {
  run("python3", ["-c", LAY_OUT, root], { input: JSON.stringify(nodes) });
}

/** Walks with Python's own calls, which share nothing with ours. */
const WALK = `
import json, os, stat, sys
root, links, out = os.fsencode(sys.argv[1]), {}, []
text = lambda raw: raw.decode("latin1")
KINDS = {stat.S_IFDIR: "directory", stat.S_IFREG: "regular", stat.S_IFLNK: "symlink", stat.S_IFCHR: "char",
         stat.S_IFBLK: "block", stat.S_IFIFO: "fifo", stat.S_IFSOCK: "socket"}
def visit(path, shown):
    st = os.lstat(path)
    kind = KINDS[stat.S_IFMT(st.st_mode)]
    names = os.listxattr(path, follow_symlinks=False)
    xattrs = {text(os.fsencode(n)): text(os.getxattr(path, n, follow_symlinks=False)) for n in names}
    content = {"kind": kind}
    if kind == "regular":
        content["size"] = str(st.st_size)
        with open(path, "rb") as file:
            if st.st_size <= 64: content = {"kind": "inline", "bytes": text(file.read())}
            else: content["kind"] = "external"
    elif kind == "symlink": content["target"] = text(os.readlink(path))
    elif kind in ("char", "block"): content["rdev"] = str(st.st_rdev)
    seconds, nanoseconds = divmod(st.st_mtime_ns, 10**9)
    entry = {"path": text(shown or b"/"), "content": content, "stat": {"mode": "%o" % stat.S_IMODE(st.st_mode),
        "uid": st.st_uid, "gid": st.st_gid, "mtime": "%ds %dns" % (seconds, nanoseconds), "xattrs": xattrs}}
    if kind != "directory":
        first = links.setdefault((st.st_dev, st.st_ino), entry["path"])
        if first != entry["path"]: entry["linkTo"] = first
    out.append(entry)
    if kind == "directory":
        for name in sorted(os.listdir(path)): visit(path + b"/" + name, shown + b"/" + name)
visit(root, b"")
json.dump(out, sys.stdout)
`;

/** The tree beneath `root` as Python sees it; external files come without id. */
export function walkIndependently(root: string): PlainEntry[] {
  return JSON.parse(run("python3", ["-c", WALK, root])) as PlainEntry[];
}
