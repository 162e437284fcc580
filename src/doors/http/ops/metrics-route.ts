/**
 * `GET /metrics`: what Prometheus reads; for clients with the scope `admin`. It takes no place among the requests at
 * work: where those are full, whoever watches is to see it.
 */
import type { Access } from '../../../auth/access';
import { checkAdmin } from '../../../core/cache';
import type { Telemetry } from '../../../core/ports';
import type { Exchange } from '../exchange';
import { dataHeaders } from '../respond';

/** The handler of `GET /metrics`. */
export function createMetricsRoute(
  telemetry: Pick<Telemetry, 'contentType' | 'exposition'>,
  access: Pick<Access, 'verify'>,
): (exchange: Exchange) => Promise<void> {
  const headers = dataHeaders(telemetry.contentType);
  return async (exchange) => {
    checkAdmin(exchange.authenticate(access));
    exchange.answerWith(headers, 200, await telemetry.exposition(), 'SUCCESS');
  };
}
