/** A range of subordinate ids of a user. */
export interface IdRange {
  readonly start: number;
  readonly count: number;
}

const LINE = /^([^:]+):(\d{1,10}):(\d{1,10})$/;

/**
 * The ranges that `/etc/subuid` or `/etc/subgid` gives a user, in order; lines of another form do not count.
 *
 * @param text the file
 * @param user names the user goes by: the login name, the uid in decimal digits
 */
export function subordinateIds(text: string, user: readonly string[]): IdRange[] {
  const ranges: IdRange[] = [];
  for (const line of text.split("\n")) {
    const [, name, start, count] = LINE.exec(line.trim()) ?? [];
    if (name !== undefined && user.includes(name) && Number(count) > 0) {
      ranges.push({ start: Number(start), count: Number(count) });
    }
  }
  return ranges;
}

/**
 * Arguments for newuidmap(1) or newgidmap(1): root inside is the user, the others follow in the order of the ranges, as
 * podman maps them.
 */
export function mapArguments(pid: number, id: number, ranges: readonly IdRange[]): string[] {
  const map = [pid, 0, id, 1];
  let inside = 1;
  for (const { start, count } of ranges) {
    map.push(inside, start, count);
    inside += count;
  }
  return map.map(String);
}
