import { BlockList, isIP } from "node:net";

/** Variables that name proxies and the places that are reached without. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL: `https_proxy` or `http_proxy` by its scheme, unless `no_proxy` names the host; upper case counts
 * as well. This machine itself is always reached without, as with podman.
 *
 * @returns null for none, and for what is no proxy by HTTP
 */
export function proxyFor(url: URL, env: ProxyEnvironment): URL | null {
  const scheme = url.protocol.slice(0, -1);
  const text = env[`${scheme}_proxy`] || env[`${scheme}_proxy`.toUpperCase()] || "";
  if (text === "" || isExempt(url, env.no_proxy || env.NO_PROXY || "")) return null;
  const address = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(address)) return null;
  const proxy = new URL(address);
  return proxy.protocol === "http:" || proxy.protocol === "https:" ? proxy : null;
}

/** The header that a proxy with a user in its URL wants. */
export function proxyAuthorization({ username, password }: URL): Record<string, string> {
  if (username === "") return {};
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return { "proxy-authorization": `Basic ${Buffer.from(user).toString("base64")}` };
}

function isExempt(url: URL, exceptions: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  if (host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))) return true;
  const items = exceptions.split(",").map((item) => item.trim().toLowerCase());
  return items.some((item) => item === "*" || fits(item, host, port));
}

/** `domain`, `.domain`, `address`, each with `:port` if wanted, or `network/bits`. */
function fits(item: string, host: string, port: string): boolean {
  if (item === "") return false;
  const [network = "", bits] = item.split("/");
  if (bits !== undefined) return inNetwork(host, network, Number(bits));
  const [, name = item, itemPort] = /^\[?(.*?)\]?:([0-9]+)$/.exec(isIP(item) === 6 ? "" : item) ?? [];
  if (itemPort !== undefined && itemPort !== port) return false;
  const domain = name.replace(/^\*?\./, "");
  return (host === domain && !name.startsWith(".")) || (isIP(host) === 0 && host.endsWith(`.${domain}`));
}

function inNetwork(host: string, network: string, bits: number): boolean {
  const family = isIP(network) === 6 ? "ipv6" : "ipv4";
  if (isIP(host) === 0 || isIP(host) !== isIP(network)) return false;
  if (!(bits >= 0 && bits <= (family === "ipv6" ? 128 : 32))) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, family);
  return list.check(host, family);
}
