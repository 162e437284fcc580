/**
 * The header fields this door cares about, gathered in one pass over what arrived, for the listener and the
 * application together. `request.headers` would not do: it drops a repeated `Host`, `Authorization` or `Content-Type`
 * in silence, and a second one must be seen to be refused.
 */

export class RequestHead {
  host: string | undefined = undefined;
  /** How many `Host` fields there were. */
  hosts = 0;
  hasUpgrade = false;
  transferEncoding: string | undefined = undefined;
  authorization: string | undefined = undefined;
  /** How many `Authorization` fields there were. */
  authorizations = 0;
  contentType: string | undefined = undefined;
  /** How many `Content-Type` fields there were. */
  contentTypes = 0;
  /** The announced size of the body; undefined when it is chunked or absent. The parser has checked it: one number. */
  contentLength: number | undefined = undefined;
  contentEncoding: string | undefined = undefined;
  /** `Prefer: return=minimal` (RFC 7240). */
  prefersMinimal = false;
  /** Whether there is a `Ringcache-Session` field, empty or not. */
  hasSession = false;

  /** The same with another token, and another length of the body. */
  with(authorization: string, contentLength: number): RequestHead {
    const head = new RequestHead();
    head.host = this.host;
    head.hosts = this.hosts;
    head.hasUpgrade = this.hasUpgrade;
    head.transferEncoding = this.transferEncoding;
    head.authorization = authorization;
    head.authorizations = this.authorizations;
    head.contentType = this.contentType;
    head.contentTypes = this.contentTypes;
    head.contentLength = contentLength;
    head.contentEncoding = this.contentEncoding;
    head.prefersMinimal = this.prefersMinimal;
    head.hasSession = this.hasSession;
    return head;
  }
}

/** `rawHeaders` is Node's flat list of names and values. */
export function readHead(rawHeaders: readonly string[]): RequestHead {
  const head = new RequestHead();
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? '';
    // The length tells nearly all other fields apart without making a lower-case copy of each name.
    switch (name.length) {
      case 4:
      case 6:
      case 7:
      case 12:
      case 13:
      case 14:
      case 16:
      case 17:
        takeField(head, name.toLowerCase(), rawHeaders[at + 1] ?? '');
    }
  }
  return head;
}

function takeField(head: RequestHead, name: string, value: string): void {
  switch (name) {
    case 'host':
      head.host = value;
      head.hosts++;
      break;
    case 'upgrade':
      head.hasUpgrade = true;
      break;
    case 'transfer-encoding':
      head.transferEncoding = joined(head.transferEncoding, value);
      break;
    case 'authorization':
      head.authorization = value;
      head.authorizations++;
      break;
    case 'content-type':
      head.contentType = value;
      head.contentTypes++;
      break;
    case 'content-length':
      head.contentLength = Number(value);
      break;
    case 'content-encoding':
      head.contentEncoding = joined(head.contentEncoding, value);
      break;
    case 'prefer':
      head.prefersMinimal ||= prefersMinimal(value);
      break;
    case 'ringcache-session':
      head.hasSession = true;
  }
}

/** Fields of one name are one list (RFC 9110 5.3). */
function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`;
}

function prefersMinimal(value: string): boolean {
  return value.split(',').some((preference) => {
    const token = preference.split(';')[0] ?? '';
    return /^return *= *(?:minimal|"minimal")$/i.test(token.trim());
  });
}
