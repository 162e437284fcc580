/** By what a TLS socket finds the TCP socket below it, which alone knows what has left. */
interface Ends {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly localAddress?: string | undefined;
}

/** What both the TCP and the TLS socket of one connection know of it, and no two open connections share. */
export function endsOf({ remoteAddress, remotePort, localAddress }: Ends): string {
  return `${remoteAddress ?? ''} ${remotePort ?? ''} ${localAddress ?? ''}`;
}
