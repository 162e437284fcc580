/** How many connections a server lets in at all. */

interface Connection {
  on(event: 'close', listener: () => void): unknown;
  destroy(): unknown;
}

interface ConnectionServer {
  maxConnections: number;
  on(event: 'connection', listener: (connection: Connection) => void): unknown;
}

/**
 * From now on cuts those beyond `max` without a word. Node does so by itself, but where workers share the port it hands
 * such a connection to the next worker, and where all are full round and round, for as long as they are.
 */
export function limitConnections(server: ConnectionServer, max: number, sharesPort: boolean): void {
  if (!sharesPort) {
    server.maxConnections = max;
    return;
  }
  let open = 0;
  server.on('connection', (connection) => {
    open++;
    connection.on('close', () => open--);
    if (open > max) connection.destroy();
  });
}
