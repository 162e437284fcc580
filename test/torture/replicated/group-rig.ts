/** The words in which faults speak of a group, and the marks that they leave for the checker. */
import { eventually } from '../../support/eventually';
import type { GatewaySlot } from '../gateways';
import type { Recorder } from '../history';
import { Rig } from '../rig';
import type { Group } from './group';
import { BUS } from './rules';

export class GroupRig extends Rig<Group> {
  readonly #unforeseen: string[] = [];
  readonly #forgiven: { readonly process: string; readonly words: RegExp }[] = [];

  constructor(group: Group, recorder: Recorder) {
    super(group, group.slots, recorder);
  }

  /** SIGKILL. */
  async kill(slot: GatewaySlot): Promise<void> {
    this.#collectLines(slot);
    this.recorder.mark('killed', slot.name);
    await slot.kill();
  }

  /** SIGTERM. */
  async stop(slot: GatewaySlot): Promise<void> {
    this.#collectLines(slot);
    this.recorder.mark('stopped', slot.name);
    await slot.stop();
  }

  /** Resolves with the milliseconds that it took until it was ready. */
  async start(slot: GatewaySlot): Promise<number> {
    const fromMs = this.nowMs();
    await slot.start();
    return this.nowMs() - fromMs;
  }

  /** The bus is broken by `work`, which heals it again. */
  busBroken<R>(work: () => Promise<R>): Promise<R> {
    return this.broken(BUS, work);
  }

  /** Asks the gateway for a snapshot; the status of its answer. */
  async snapshot(slot: GatewaySlot): Promise<number> {
    const { authorization } = this.topology;
    return (await slot.gateway.post('/snapshot', '', { authorization })).status;
  }

  /** Everything runs. */
  async heal(): Promise<void> {
    for (const slot of this.slots) if (!slot.isRunning) await slot.start();
    await Promise.all(
      this.slots.map(({ gateway }) =>
        eventually(async () => (await gateway.get('/readyz')).status === 200, 10_000),
      ),
    );
  }

  /** Errors that tell of this, of the process that runs there now, were to be expected. */
  forgive({ name }: GatewaySlot, words: RegExp): void {
    this.#forgiven.push({ process: `${name}: `, words });
  }

  /** Lines of level error and above, and of standard error, of all processes, that nobody foresaw. */
  unforeseen(): readonly string[] {
    for (const slot of this.slots) if (slot.isRunning) this.#collectLines(slot);
    return this.#unforeseen.filter(
      (line) => !this.#forgiven.some(({ process, words }) => line.startsWith(process) && words.test(line)),
    );
  }

  #collectLines({ gateway, name }: GatewaySlot): void {
    const bad = gateway.lines.filter((line) => /"level":(50|60)\b/.test(line));
    this.#unforeseen.push(...[...bad, ...gateway.errorLines].map((line) => `${name}: ${line.slice(0, 300)}`));
  }
}
