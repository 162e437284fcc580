// The machine: which core serves and which one asks, what a process has used of its core, and what is installed.
import { accessSync, constants, readFileSync } from 'node:fs';
import { cpus, release, type } from 'node:os';
import path from 'node:path';

/** `/proc` counts processor time in these, on every Linux that Node runs on. */
const TICK_MS = 10;

/** Full path of a program on PATH, or undefined. Debian keeps nginx where only root looks. */
export function findCommand(name) {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => path.join(folder, name)).find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Milliseconds of processor time, of user and system, that a process has used with all its threads; NaN: unknown. */
export function processorMs(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name, in which anything may stand; the 14th and 15th are what is wanted.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return NaN;
  }
}

/** Of Linux; elsewhere nothing is known of processor time either. */
export function childrenOf(pid) {
  try {
    const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
    return pids === '' ? [] : pids.split(' ').map(Number);
  } catch {
    return [];
  }
}

/**
 * So many of the cores that we may use for all servers of a contender together, and one more for the load; both undefined
 * where there is no taskset, or there are not as many.
 */
export function chooseCores(servers = 1) {
  const cores = findCommand('taskset') === undefined ? [] : allowedCores();
  if (cores.length <= servers) return { server: undefined, load: undefined };
  return { server: cores.slice(0, servers).join(), load: cores[servers] };
}

/** As `0-2,5` in /proc; empty where that is not known. */
function allowedCores() {
  try {
    const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '';
    return list.split(',').flatMap((range) => {
      const [from, to = from] = range.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, at) => from + at);
    });
  } catch {
    return [];
  }
}

/** The command line that runs `command` on that core. */
export function pinned(core, command, args) {
  return core === undefined ? [command, args] : ['taskset', ['-c', String(core), command, ...args]];
}

/** For the head of a result: figures mean something only beside this. */
export function describeMachine() {
  const all = cpus();
  return `${all.length} × ${all[0]?.model.trim() ?? 'unknown processor'}, ${type()} ${release()}, Node ${process.version}`;
}
