/** When snapshots are saved and loaded, and what becomes of files that cannot be used (F16): on real files. */
import { execFileSync } from 'node:child_process';
import { promises as fs, statSync } from 'node:fs';
import path from 'node:path';
import type { SavedEntry, SnapshotContent } from '../../src/core/ports';
import { systemClock as clock } from '../../src/lib/clock';
import { createSnapshots, type Snapshots, type SnapshotsOptions } from '../../src/snapshot/snapshots';
import { makeFolder } from '../support/child';
import { eventually } from '../support/eventually';
import { type HttpDoor, openHttpDoor, request } from '../support/http-door';
import { stopAfterTests } from '../support/leftovers';
import { createRecordingLog, type RecordingLog } from '../support/log';
import { names, readFile, recordingContent, savedEntry, SHAPES, writeFile } from '../support/snapshots';

const HOUR_MS = 3_600_000;

let folder: string;
let file: string;
let log: RecordingLog;

beforeEach(async () => {
  folder = await makeFolder();
  file = path.join(folder, 'snapshot');
  log = createRecordingLog();
});

function create(options: Partial<SnapshotsOptions> = {}): Snapshots {
  return createSnapshots({ file, intervalMs: HOUR_MS, clock, log, ...options });
}

const failures = (): readonly object[] => log.lines.filter(({ level }) => level === 'error');

describe('loading', () => {
  it('takes everything of the file, with its marks', async () => {
    await writeFile(file, [SHAPES]);
    const content = recordingContent();
    await create().load(content);
    expect(content.entries).toEqual(SHAPES);
    expect(log.lines).toMatchObject([{ level: 'info', fields: { file, entries: SHAPES.length } }]);
  });

  it('says at once that its folder is missing', async () => {
    await fs.rmdir(folder);
    await create().load(recordingContent());
    expect(failures()).toMatchObject([{ fields: { file } }]);
    await fs.mkdir(folder);
  });

  it('says nothing where there is no file', async () => {
    const content = recordingContent();
    await create().load(content);
    expect(await create().loadKeys(10)).toEqual([]);
    expect([content.entries, log.lines, await names(folder)]).toEqual([[], [], []]);
  });

  it.each([0, 1, 5, 4999, 5000, 9999])('gives the last %d keys of a near cache', async (keysMax) => {
    const keys = Array.from({ length: 5000 }, (_, at) => savedEntry(`k${at}`, { bytes: undefined }));
    await writeFile(file, [keys], { kind: 'keys' });
    const due = keys.slice(Math.max(0, keys.length - keysMax)).map(({ key }) => key);
    expect(await create().loadKeys(keysMax)).toEqual(due);
  });
});

describe('a file that cannot be used is set aside whole, said so, and nothing of it is used', () => {
  async function damage(change: (bytes: Buffer) => Buffer): Promise<void> {
    await writeFile(file, [Array.from({ length: 5000 }, (_, at) => savedEntry(`k${at}`))]);
    await fs.writeFile(file, change(await fs.readFile(file)));
  }

  const FAULTS: Record<string, () => Promise<void>> = {
    'a bit turned over in the last block': () =>
      damage((bytes) => {
        bytes[bytes.length - 100]! ^= 1;
        return bytes;
      }),
    'cut off behind its first block': () => damage((bytes) => bytes.subarray(0, bytes.length / 2)),
    'cut off at its trailer': () => damage((bytes) => bytes.subarray(0, -20)),
    'a newer version': () =>
      damage((bytes) => {
        bytes.writeUInt16LE(2, 8);
        return bytes;
      }),
    'the other kind': () => writeFile(file, [[savedEntry('k')]], { kind: 'keys' }).then(() => undefined),
    'an empty file': () => fs.writeFile(file, ''),
  };

  it.each(Object.entries(FAULTS))('%s', async (_name, make) => {
    await make();
    const { ino } = statSync(file);
    const content = recordingContent(() => [SHAPES]);
    const snapshots = create();
    await snapshots.load(content);
    expect(content.entries).toEqual([]);
    expect(await names(folder)).toEqual(['snapshot.damaged-1']);
    expect(statSync(`${file}.damaged-1`).ino).toBe(ino);
    expect(failures()).toMatchObject([{ fields: { file } }]);
    expect(JSON.stringify(log.lines)).not.toContain('value of');
    // And the next one is saved as ever.
    snapshots.begin('entries', content, () => true);
    await snapshots.save();
    expect(await names(folder)).toEqual(['snapshot', 'snapshot.damaged-1']);
    expect(await readFile(file)).toEqual(SHAPES);
  });

  it.each([
    ['a folder', () => fs.mkdir(file)],
    ['a pipe', () => Promise.resolve(void execFileSync('mkfifo', [file]))],
  ])('but for %s, which is somebody else’s and stays', async (_name, make) => {
    await make();
    const { ino } = statSync(file);
    const content = recordingContent(() => [SHAPES]);
    const snapshots = create();
    await snapshots.load(content);
    snapshots.begin('entries', content, () => true);
    await expect(snapshots.save()).rejects.toMatchObject({ code: 'unavailable' });
    expect(content.entries).toEqual([]);
    expect(await names(folder)).toEqual(['snapshot']);
    expect(statSync(file).ino).toBe(ino);
    expect(failures()).toMatchObject(Array(3).fill({ fields: { file, cause: 'it is no file' } }));
  });

  it('the entries of an engine, where keys are asked for', async () => {
    await writeFile(file, [SHAPES]);
    expect(await create().loadKeys(10)).toEqual([]);
    expect(await names(folder)).toEqual(['snapshot.damaged-1']);
  });

  it('never over another one', async () => {
    for (const round of [1, 2, 3]) {
      await fs.writeFile(file, `bad ${round}`);
      await create().load(recordingContent());
    }
    expect(await names(folder)).toEqual(['snapshot.damaged-1', 'snapshot.damaged-2', 'snapshot.damaged-3']);
    expect(await fs.readFile(`${file}.damaged-1`, 'utf8')).toBe('bad 1');
  });

  it('and where it cannot be, is not written over, until it can', async () => {
    await fs.writeFile(file, 'bad');
    for (let count = 1; count <= 1000; count += 1) await fs.writeFile(`${file}.damaged-${count}`, '');
    const snapshots = create();
    await snapshots.load(recordingContent());
    snapshots.begin(
      'entries',
      recordingContent(() => [SHAPES]),
      () => true,
    );
    await expect(snapshots.save()).rejects.toMatchObject({ code: 'unavailable' });
    expect(await fs.readFile(file, 'utf8')).toBe('bad');
    await fs.rm(`${file}.damaged-7`);
    await snapshots.save();
    expect(await fs.readFile(`${file}.damaged-7`, 'utf8')).toBe('bad');
    expect(await readFile(file)).toEqual(SHAPES);
  });
});

describe('saving', () => {
  /** A content whose pages come when the test says so. */
  function heldContent() {
    let isHeld = true;
    let begun = 0;
    const content: SnapshotContent = {
      ...recordingContent(),
      *pages() {
        begun += 1;
        const own = [savedEntry(`of walk ${begun}`)];
        while (isHeld) yield [];
        yield own;
      },
    };
    return { content, begun: () => begun, release: () => (isHeld = false) };
  }

  it('is one at a time: who asks meanwhile gets the answer of that one', async () => {
    const { content, begun, release } = heldContent();
    const snapshots = create();
    snapshots.begin('entries', content, () => true);
    const saves = [snapshots.save(), snapshots.save()];
    await eventually(() => begun() === 1);
    saves.push(snapshots.save());
    release();
    const results = await Promise.all(saves);
    expect(new Set(results).size).toBe(1);
    expect(results[0]).toMatchObject({ entries: 1, bytes: statSync(file).size });
    expect(begun()).toBe(1);
    expect(snapshots.last()).toMatchObject({ entries: 1, bytes: statSync(file).size });
    await snapshots.save();
    expect(begun()).toBe(2);
  });

  it('goes on each interval, and not when it is closed', async () => {
    let walks = 0;
    const content = recordingContent(() => [[savedEntry(`${(walks += 1)}`)]]);
    const snapshots = create({ intervalMs: 5 });
    snapshots.begin('entries', content, () => true);
    await eventually(() => walks >= 3);
    await snapshots.close();
    const [{ key }] = (await readFile(file)) as [SavedEntry];
    expect(key).toBe(String(walks));
    const until = performance.now() + 50;
    await eventually(() => performance.now() > until);
    expect(walks).toBe(Number(key));
    expect(failures()).toEqual([]);
  });

  it('not when it was closed while it waited for the next one', async () => {
    const snapshots = create({ intervalMs: 20 });
    snapshots.begin('entries', recordingContent(), () => true);
    await snapshots.close();
    const until = performance.now() + 60;
    await eventually(() => performance.now() > until);
    expect(log.lines.map(({ message }) => message)).toEqual(['snapshot saved']);
  });

  it('once more when it is closed, behind the one that is under way', async () => {
    const { content, begun, release } = heldContent();
    const snapshots = create();
    snapshots.begin('entries', content, () => true);
    const first = snapshots.save();
    await eventually(() => begun() === 1);
    const closed = snapshots.close();
    release();
    await Promise.all([first, closed]);
    expect((await readFile(file)).map(({ key }) => key)).toEqual(['of walk 2']);
  });

  it('nothing where nothing has begun: a start that fails leaves the last one', async () => {
    await writeFile(file, [SHAPES]);
    await create().close();
    expect(await readFile(file)).toEqual(SHAPES);
    await expect(create().save()).rejects.toMatchObject({ code: 'unavailable' });
    expect(await readFile(file)).toEqual(SHAPES);
  });

  it('when it is closed gives up in time, and leaves the last one', async () => {
    await writeFile(file, [SHAPES]);
    const { content, begun } = heldContent();
    let aheadMs = 0;
    const snapshots = create({ clock: { ...clock, now: () => clock.now() + aheadMs } });
    snapshots.begin('entries', content, () => true);
    const saved = snapshots.save();
    await eventually(() => begun() === 1);
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'performance', 'Date'] });
    try {
      const closed = snapshots.close();
      aheadMs = 10_000;
      jest.advanceTimersByTime(10_000);
      await closed;
    } finally {
      jest.useRealTimers();
    }
    await expect(saved).rejects.toMatchObject({ code: 'unavailable' });
    expect(begun()).toBe(1);
    await eventually(async () => (await names(folder)).length === 1);
    expect(await readFile(file)).toEqual(SHAPES);
  });

  it('does not put a part of what there was in the place of the last one', async () => {
    await writeFile(file, [SHAPES]);
    let isWhole = false;
    const snapshots = create();
    snapshots.begin(
      'entries',
      recordingContent(() => [[savedEntry('one')]]),
      () => isWhole,
    );
    await expect(snapshots.save()).rejects.toMatchObject({ code: 'unavailable' });
    expect(await readFile(file)).toEqual(SHAPES);
    isWhole = true;
    await snapshots.save();
    expect((await readFile(file)).map(({ key }) => key)).toEqual(['one']);
  });

  it('F16: that fails leaves the last one, is told of once, and is tried again at the next interval', async () => {
    await writeFile(file, [SHAPES]);
    let isFailing = true;
    const snapshots = create({ intervalMs: 100 });
    snapshots.begin(
      'entries',
      {
        ...recordingContent(),
        pages: () => {
          if (isFailing) throw new Error('a fault of the test');
          return [[savedEntry('new')]];
        },
      },
      () => true,
    );
    await expect(snapshots.save()).rejects.toMatchObject({ code: 'unavailable' });
    expect(failures()).toMatchObject([{ fields: { file, cause: 'a fault of the test' } }]);
    expect(await readFile(file)).toEqual(SHAPES);
    isFailing = false;
    await eventually(() => snapshots.last() !== undefined);
    expect((await readFile(file)).map(({ key }) => key)).toEqual(['new']);
    await snapshots.close();
  });
});

describe('F16: a disk that is full', () => {
  const disk = mountedDisk();
  const name =
    disk === undefined ? 'needs root and tmpfs, to have a disk of 1 MB' : 'leaves the last one whole';

  (disk === undefined ? it.skip : it)(name, async () => {
    const onDisk = path.join(disk ?? '', 'snapshot');
    let entries = [savedEntry('small')];
    const snapshots = create({ file: onDisk });
    snapshots.begin(
      'entries',
      recordingContent(() => [entries]),
      () => true,
    );
    await snapshots.save();
    entries = Array.from({ length: 3000 }, (_, at) => savedEntry(`k${at}`, { bytes: Buffer.alloc(1000) }));
    await expect(snapshots.save()).rejects.toMatchObject({ code: 'unavailable' });
    expect(failures()).toMatchObject([{ fields: { cause: expect.stringContaining('ENOSPC') } }]);
    expect((await readFile(onDisk)).map(({ key }) => key)).toEqual(['small']);
    expect(await names(disk ?? '')).toEqual(['snapshot']);
    // There is room again.
    entries = [savedEntry('other')];
    await snapshots.save();
    expect((await readFile(onDisk)).map(({ key }) => key)).toEqual(['other']);
  });
});

/** A file system of 1 MB, gone after the tests; undefined where none can be had. */
function mountedDisk(): string | undefined {
  const at = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at], { stdio: 'ignore' });
  } catch {
    execFileSync('rmdir', [at]);
    return undefined;
  }
  stopAfterTests(() => {
    execFileSync('umount', [at]);
    execFileSync('rmdir', [at]);
    return Promise.resolve();
  });
  return at;
}

describe('POST /snapshot', () => {
  let door: HttpDoor;

  beforeEach(async () => {
    door = await openHttpDoor();
  });

  afterEach(() => door.close());

  const post = (token = door.token) =>
    request(door).post('/snapshot').set('authorization', `Bearer ${token}`);

  it('200: saves, and says how much', async () => {
    await request(door)
      .post('/cache')
      .set('authorization', `Bearer ${door.token}`)
      .send({ key: 'k', value: 'v' });
    const { status, body } = await post();
    expect(status).toBe(200);
    expect(body).toEqual({
      status: 'SUCCESS',
      entries: 1,
      bytes: expect.any(Number),
      seconds: expect.any(Number),
    });
  });

  it('403: for who has not the scope admin, and nothing is saved', async () => {
    const { status, body } = await post(door.tokenWith(['read', 'write', 'delete']));
    expect([status, body.code]).toEqual([403, 'forbidden']);
    expect(door.log.lines.some(({ message }) => message === 'snapshot saved')).toBe(false);
  });

  it('409: where no file is set', async () => {
    const { engine } = door;
    await using other = await doorOf(() => Promise.resolve({ ...engine, content: undefined } as never));
    const { status, body } = await request(other.door)
      .post('/snapshot')
      .set('authorization', `Bearer ${other.door.token}`);
    expect([status, body.code]).toEqual([409, 'conflict']);
    expect(body.message).toContain('SNAPSHOT_FILE');
  });

  it('503: where it fails, with the cause in the log only', async () => {
    const { engine } = door;
    const content = recordingContent(() => {
      throw new Error('ENOSPC: a cause that is for the log');
    });
    await using other = await doorOf(() => Promise.resolve({ ...engine, content } as never));
    const { status, body, headers } = await request(other.door)
      .post('/snapshot')
      .set('authorization', `Bearer ${other.door.token}`);
    expect([status, body.code]).toEqual([503, 'unavailable']);
    expect(headers['retry-after']).toBeDefined();
    expect(JSON.stringify(body)).not.toContain('ENOSPC');
    expect(other.door.log.lines).toContainEqual(
      expect.objectContaining({
        level: 'error',
        fields: expect.objectContaining({ cause: 'ENOSPC: a cause that is for the log' }),
      }),
    );
  });

  async function doorOf(openEngine: () => Promise<never>) {
    const opened = await openHttpDoor({ openEngine });
    return { door: opened, [Symbol.asyncDispose]: () => opened.close() };
  }
});
