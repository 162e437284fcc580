/** The gateways of a run: the built program, each on a port of its own that it keeps when it is started again. */
import { findFreePort } from '../support/free-port';
import { type Gateway, startGateway } from '../support/gateway';
import type { DoorAddress } from './door';

export type GatewaySettings = Readonly<Record<string, string>>;

/** One of the places where a gateway runs. Who runs there may change, the address does not. */
export class GatewaySlot implements DoorAddress {
  readonly port: number;
  readonly #place: string;
  readonly #settings: GatewaySettings;
  #runs = 0;
  #gateway: Gateway | undefined;

  constructor(place: string, port: number, settings: GatewaySettings) {
    this.#place = place;
    this.port = port;
    this.#settings = { ...settings, PORT: String(port) };
  }

  /** Of the process that runs there now, or did last: a new one has promised nothing yet. */
  get name(): string {
    return this.#runs <= 1 ? this.#place : `${this.#place}.${this.#runs}`;
  }

  get gateway(): Gateway {
    if (this.#gateway === undefined) throw new Error(`${this.#place} is not running`);
    return this.#gateway;
  }

  get isRunning(): boolean {
    return this.#gateway !== undefined;
  }

  /** Resolves when it is ready. */
  async start(): Promise<void> {
    this.#runs += 1;
    this.#gateway = await startGateway({ env: this.#settings });
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const { gateway } = this;
    this.#gateway = undefined;
    gateway.kill('SIGKILL');
    await gateway.stop();
  }

  /** SIGTERM; resolves when it has ended. */
  async stop(): Promise<void> {
    const gateway = this.#gateway;
    if (gateway === undefined) return;
    await gateway.stop();
    this.#gateway = undefined;
  }
}

/** The slots, none of them running yet. A token of one is good for all. */
export async function createGateways(
  count: number,
  settingsOf: (place: string) => GatewaySettings,
): Promise<GatewaySlot[]> {
  const slots: GatewaySlot[] = [];
  for (let number = 1; number <= count; number += 1) {
    const place = `g${number}`;
    // Tokens outlive the longest run.
    const settings = { JWT_TTL_SECONDS: '86400', ...settingsOf(place) };
    slots.push(new GatewaySlot(place, await findFreePort(), settings));
  }
  return slots;
}
