// The build's second half: the compiler leaves out what is not TypeScript, so what the program reads of it while it
// runs is copied behind it: the console's files, and what clients of the gRPC door generate their code from.
import { cpSync } from 'node:fs';

const COPIED = ['doors/http/console/pages', 'doors/grpc/ringcache.proto'];

for (const path of COPIED) {
  const [from, to] = ['src', 'dist'].map((folder) => new URL(`../${folder}/${path}`, import.meta.url));
  cpSync(from, to, { recursive: true });
}
