/** What a registry asks for in `WWW-Authenticate`. */
export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** Names in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** Token of RFC 9110, a parameter's or scheme's name. */
const TOKEN = /[!#$%&'*+.^_`|~0-9A-Za-z-]+/y;
/** Some leave the quotes out around a URL. */
const UNQUOTED = /[^\s,"]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const SPACES_AND_COMMAS = /[ \t,]*/y;
/** For schemes that send something opaque in place of parameters. */
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*(?=[ \t]*(?:,|$))/y;

/**
 * Parses a `WWW-Authenticate` header, which may hold several challenges; what makes no sense ends it.
 *
 * @see RFC 9110 §11.6.1
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Map<string, string> }[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(header);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  for (;;) {
    take(SPACES_AND_COMMAS);
    const name = take(TOKEN)?.[0];
    if (name === undefined) return challenges;
    const equals = /^[ \t]*=(?!=|[ \t]*(?:,|$))[ \t]*/.exec(header.slice(at, at + 16));
    const last = challenges.at(-1);
    if (equals === null || last === undefined) {
      challenges.push({ scheme: name.toLowerCase(), parameters: new Map() });
      take(/[ \t]*/y);
      if (!/^[^\s=,]+[ \t]*=(?!=)/.test(header.slice(at, at + 256))) take(TOKEN68);
      continue;
    }
    at += equals[0].length;
    const quoted = take(QUOTED)?.[1]?.replaceAll(/\\(.)/g, "$1");
    const value = quoted ?? take(UNQUOTED)?.[0];
    if (value === undefined) return challenges;
    last.parameters.set(name.toLowerCase(), value);
  }
}
