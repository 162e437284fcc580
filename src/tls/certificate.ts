/** The certificate that the doors show: read and checked as a pair with its key, and taken anew when it changes. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { promises as fs } from 'node:fs';
import type { SecureContextOptions } from 'node:tls';
import type { Log } from '../core/ports';
import type { Clock } from '../lib/clock';

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  /** Whose client certificates are accepted; undefined: none are asked for. */
  readonly clientCaFile: string | undefined;
}

export interface Certificate {
  readonly context: Pick<SecureContextOptions, 'cert' | 'key' | 'ca'>;
  /** Why clients will not accept it at this time; undefined: they will. */
  readonly untimely: 'has expired' | 'is not valid yet' | undefined;
  /** Wall time. */
  readonly validFromMs: number;
  /** Tells the files it came from, as they were just before they were read, from any later state of them. */
  readonly print: string;
}

/** Twice this, at most, from a change to its effect: a change counts once it was seen twice. */
const POLL_MS = 450;

/** @throws Error that names the file at fault; never with anything of its content. */
export async function readCertificate(files: CertificateFiles, clock: Clock): Promise<Certificate> {
  const { certFile, keyFile, clientCaFile } = files;
  const print = await printOf(files);
  const [cert, key, ca] = await Promise.all([
    readPem(certFile),
    readPem(keyFile),
    clientCaFile === undefined ? undefined : readPem(clientCaFile),
  ]);
  const certificate = parsePem(certFile, 'certificate', () => new X509Certificate(cert));
  const privateKey = parsePem(keyFile, 'private key', () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new Error(`The key in ${keyFile} does not belong to the certificate in ${certFile}.`);
  }
  if (clientCaFile !== undefined && ca !== undefined) {
    parsePem(clientCaFile, 'certificate', () => new X509Certificate(ca));
  }
  const nowMs = clock.wallMs();
  const validFromMs = Date.parse(certificate.validFrom);
  const hasExpired = Date.parse(certificate.validTo) <= nowMs;
  return {
    context: { cert, key, ...(ca === undefined ? {} : { ca }) },
    untimely: hasExpired ? 'has expired' : validFromMs > nowMs ? 'is not valid yet' : undefined,
    validFromMs,
    print,
  };
}

/**
 * Calls `onChange` with the new certificate whenever the files are no longer those of `current` and are a good pair
 * that is valid now; what it throws counts as a bad file. A bad pair is logged once and changes nothing; one that is
 * only too early is taken when its time has come. Returns the function that ends this.
 */
export function watchCertificate(
  files: CertificateFiles,
  current: Certificate,
  clock: Clock,
  log: Log,
  onChange: (certificate: Certificate) => void,
): () => void {
  /** Of the last pair that was judged, good or bad. */
  let judgedPrint = current.print;
  /** When a pair that came too early is to be judged again. */
  let judgeAgainMs = Infinity;
  let lastPrint = current.print;
  let isBusy = false;

  async function poll(): Promise<void> {
    const print = await printOf(files);
    // Two files cannot be replaced in one step: only when they have come to rest are they looked at.
    const isAtRest = print === lastPrint;
    lastPrint = print;
    if (!isAtRest || (print === judgedPrint && clock.wallMs() < judgeAgainMs)) return;
    judgedPrint = print;
    judgeAgainMs = Infinity;
    try {
      const certificate = await readCertificate(files, clock);
      if (certificate.untimely !== undefined) {
        if (certificate.untimely === 'is not valid yet') judgeAgainMs = certificate.validFromMs;
        throw new Error(`The certificate in ${files.certFile} ${certificate.untimely}.`);
      }
      onChange(certificate);
      log.info({ file: files.certFile }, 'took the new certificate');
    } catch (thrown) {
      const reason = thrown instanceof Error ? thrown.message : 'unknown';
      log.error({ file: files.certFile, reason }, 'kept the old certificate: the new one cannot be used');
    }
  }

  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    void poll().finally(() => {
      isBusy = false;
    });
  }, POLL_MS).unref();
  return () => clearInterval(timer);
}

/** Changes when any of the files does. */
async function printOf({ certFile, keyFile, clientCaFile }: CertificateFiles): Promise<string> {
  const files = clientCaFile === undefined ? [certFile, keyFile] : [certFile, keyFile, clientCaFile];
  const prints = files.map(async (file) => {
    try {
      const { ino, size, mtimeMs, ctimeMs } = await fs.stat(file);
      return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    } catch {
      return 'missing';
    }
  });
  return (await Promise.all(prints)).join();
}

async function readPem(file: string): Promise<Buffer> {
  try {
    return await fs.readFile(file);
  } catch (cause) {
    throw new Error(`Cannot read ${file}.`, { cause });
  }
}

function parsePem<T>(file: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new Error(`There is no usable ${what} in ${file}.`, { cause });
  }
}
