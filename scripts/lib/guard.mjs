// Child processes that never outlive this one. An exit hook cannot promise that: it does not run after SIGKILL.
import { spawn } from 'node:child_process';

/**
 * Takes a process id a line from its standard input and acts when that closes, which the kernel does for us when we
 * are gone, however that came. Signals that are meant for us must not keep it from its work; SIGCONT is for a child
 * that was frozen, which would not hear SIGTERM before.
 */
const GUARD = `trap '' INT TERM HUP
while read -r pid; do pids="$pids $pid"; done
kill $pids
kill -CONT $pids
[ -z "$1" ] || rm -rf "$1"`;

/**
 * @param {string} folder removed when the guard acts, unless empty
 * @returns {{ watch: (child: import('node:child_process').ChildProcess) => void, act: () => void }} `watch` puts a
 *   child under guard: it gets SIGTERM when this process ends, or at `act`
 */
export function openGuard(folder = '') {
  const guard = spawn('/bin/sh', ['-c', GUARD, 'guard', folder], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.stdin.on('error', () => undefined);
  guard.unref();
  return {
    watch: ({ pid }) => void (pid === undefined || guard.stdin.write(`${pid}\n`)),
    act: () => void guard.stdin.end(),
  };
}
