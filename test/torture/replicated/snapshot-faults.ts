/** F16: what can happen to a snapshot. Each time the gateway must start, with it or without, and revive nothing. */
import { execFile } from 'node:child_process';
import { copyFile, open, readdir, readFile, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Figure } from '../fault';
import type { GatewaySlot } from '../gateways';
import type { Random } from '../random';
import type { GroupFault } from './fault';
import type { GroupRig } from './group-rig';
import { BACK_MS_MAX } from './process-faults';

const execute = promisify(execFile);

type Strike = (rig: GroupRig, victim: GatewaySlot, random: Random) => Promise<readonly Figure[]>;

function fault(name: string, title: string, strike: Strike): GroupFault {
  return {
    name,
    title: `snapshot: ${title}`,
    strike: (rig, random) => rig.broken('F16', () => strike(rig, random.pick(rig.slots), random)),
  };
}

/** What is met is 1. */
function met(name: string, isMet: boolean): Figure {
  return { name, value: isMet ? 1 : 0, limit: 1, isFloor: true };
}

async function restart(rig: GroupRig, victim: GatewaySlot): Promise<Figure> {
  return { name: 'ready again after ms', value: await rig.start(victim), limit: BACK_MS_MAX };
}

/** A snapshot that is whole. */
async function save(rig: GroupRig, victim: GatewaySlot): Promise<Figure> {
  return met('a snapshot is made when asked for', (await rig.snapshot(victim)) === 200);
}

export const killedWhileSaving = fault(
  'F16a',
  'the gateway is killed while it writes one',
  async (rig, victim, random) => {
    const saved = await save(rig, victim);
    const asked = rig.snapshot(victim).catch(() => undefined);
    await rig.pause(random.between(0, 15));
    await rig.kill(victim);
    await asked;
    const figures = [saved, await restart(rig, victim)];
    const names = await readdir(rig.topology.snapshotFolder(victim));
    return [...figures, met('what it was about to write is no damaged file', !names.some(isDamaged))];
  },
);

export const bitFlipped = fault('F16b', 'a bit of it flips', async (rig, victim, random) => {
  return damaged(rig, victim, async (file) => {
    const bytes = await readFile(file);
    const at = Math.floor(random.next() * bytes.length);
    bytes[at] = bytes[at]! ^ (1 << Math.floor(random.next() * 8));
    await writeFile(file, bytes);
  });
});

export const truncated = fault('F16c', 'its end is missing', async (rig, victim, random) => {
  return damaged(rig, victim, async (file) => {
    const { size } = await stat(file);
    await truncate(file, Math.floor(random.next() * size));
  });
});

/** Set aside, said, and started without. */
async function damaged(
  rig: GroupRig,
  victim: GatewaySlot,
  harm: (file: string) => Promise<void>,
): Promise<readonly Figure[]> {
  const folder = rig.topology.snapshotFolder(victim);
  const saved = await save(rig, victim);
  const before = (await readdir(folder)).filter(isDamaged).length;
  await rig.kill(victim);
  await harm(rig.topology.snapshotFile(victim));
  const back = await restart(rig, victim);
  const after = (await readdir(folder)).filter(isDamaged).length;
  const isSaid = victim.gateway.lines.some((line) => /"level":50/.test(line) && /snapshot/i.test(line));
  rig.forgive(victim, /snapshot/i);
  return [
    saved,
    back,
    met('the damaged file is set aside', after === before + 1),
    met('the log says so', isSaid),
  ];
}

export const old = fault('F16d', 'an old one is put in its place', async (rig, victim, random) => {
  const file = rig.topology.snapshotFile(victim);
  const saved = await save(rig, victim);
  await copyFile(file, `${file}.kept`);
  await rig.pause(random.between(1500, 3000));
  await rig.kill(victim);
  await copyFile(`${file}.kept`, file);
  await unlink(`${file}.kept`);
  return [saved, await restart(rig, victim)];
});

/** On a file system of 1 MB that is laid over the folder; needs the right to mount one. */
export const diskFull = fault('F16e', 'the disk is full', async (rig, victim) => {
  const folder = rig.topology.snapshotFolder(victim);
  const file = rig.topology.snapshotFile(victim);
  const saved = await save(rig, victim);
  const good = await readFile(file);
  await execute('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder]);
  try {
    await writeFile(file, good, { mode: 0o600 });
    await fillUp(path.join(folder, 'ballast'));
    const status = await rig.snapshot(victim);
    const isKept = (await readFile(file)).equals(good);
    const { isRunning } = victim;
    const answered = await victim.gateway.command({ command: 'READ', key: 'bulk-0' });
    rig.forgive(victim, /snapshot/i);
    await rig.kill(victim);
    const back = await restart(rig, victim);
    await unlink(path.join(folder, 'ballast'));
    const again = await rig.snapshot(victim);
    rig.forgive(victim, /snapshot/i);
    return [
      ...[saved, back, met('who asks for one is told (503)', status === 503)],
      ...[met('the last one stays', isKept), met('it goes on serving', isRunning && answered.status === 200)],
      met('the next one is made when there is room', again === 200),
    ];
  } finally {
    await execute('umount', ['-l', folder]);
  }
});

/** Until nothing more goes in. */
async function fillUp(file: string): Promise<void> {
  const handle = await open(file, 'w');
  const block = Buffer.alloc(4096, 1);
  try {
    for (;;) await handle.write(block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  } finally {
    await handle.close();
  }
}

function isDamaged(name: string): boolean {
  return name.includes('.damaged-');
}
