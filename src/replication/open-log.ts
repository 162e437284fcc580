/** The one switch over buses: from what the settings name to a replication log. */
import { openKafkaLog } from './kafka-log';
import { openPubsubLog } from './pubsub-log';
import type { ReplicationBus, ReplicationLog, ReplicationLogDeps } from './replication-log';

/**
 * Resolves at once, or when a first attempt to connect has ended; the log goes on trying by itself. Kafka's client library is
 * loaded only where the bus is Kafka.
 * @throws Error when that library is not installed, or the topic cannot be used
 */
export async function openLog(bus: ReplicationBus, deps: ReplicationLogDeps): Promise<ReplicationLog> {
  switch (bus.kind) {
    case 'redis':
      return openPubsubLog(bus.address, deps);
    case 'kafka':
      return openKafkaLog(bus, deps);
  }
}
