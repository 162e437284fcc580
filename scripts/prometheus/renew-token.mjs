// Keeps a fresh token in a file for Prometheus, which can read a bearer token from a file but not log in for one:
//
//     API_KEY=… node scripts/prometheus/renew-token.mjs https://ringcache:8000 certs/cert.pem localhost token
//
// Its arguments: the address; the certificate (or authority) to trust, PEM; the name that must stand in the service's
// certificate; the file. API_KEY needs the scope `admin` and no other. The file is readable by its owner alone and
// replaced as a whole, so a reader never sees half a token. Neither key nor token is ever printed.
//
// It runs until SIGTERM or SIGINT. What may pass (no connection, another certificate, 429, 5xx) is tried again; it ends with
// 1 and a sentence when it will not: an address that is not https, a file that cannot be read or written, a key that is
// refused or may not read the metrics.
import { randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';

const REPLY_MS_MAX = 5000;
const REPLY_BYTES_MAX = 64 * 1024;
/** Between two attempts while the service cannot be reached: from the first to the second, doubling. */
const RETRY_MS = [1000, 30_000];

/** However long a token lives: with another JWT_SECRET of the service it ends at once, and then scrapes fail until here. */
const RENEW_MS_MAX = 60_000;

const [address, caFile, serverName, tokenFile] = process.argv.slice(2);
const { API_KEY: apiKey } = process.env;

for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));

if (tokenFile === undefined || !URL.canParse('/login', address)) {
  giveUp('Usage: API_KEY=… renew-token.mjs https://host:port ca.pem name-in-the-certificate token-file');
}
if (new URL(address).protocol !== 'https:')
  giveUp(`${address} is not https: the key would be sent in the clear.`);
if (!apiKey) giveUp('API_KEY is not set: the key of a client with the scope admin.');

let retryMs = RETRY_MS[0];
let isNews = true;
for (;;) {
  const { token, lifeSeconds, trouble, waitSeconds = 0 } = await login();
  if (trouble === undefined) {
    write(token);
    // Two more attempts fit before it ends.
    const renewMs = Math.min((lifeSeconds * 1000) / 3, RENEW_MS_MAX);
    if (isNews) say(`A token is in ${tokenFile}; another one takes its place every ${renewMs / 1000} s.`);
    isNews = false;
    retryMs = RETRY_MS[0];
    await pause(renewMs);
  } else {
    say(`No new token: ${trouble}. Trying again.`);
    isNews = true;
    await pause(Math.max(retryMs, waitSeconds * 1000));
    retryMs = Math.min(2 * retryMs, RETRY_MS[1]);
  }
}

/** One attempt: a token and its life, or what stands in the way for now. Ends the program where it will not pass. */
async function login() {
  const ca = readCertificate();
  let reply;
  try {
    reply = await post(new URL('/login', address), JSON.stringify({ api_key: apiKey }), ca);
  } catch (error) {
    return { trouble: `${address} cannot be asked (${error.code ?? error.message})` };
  }
  const { status, headers, text } = reply;
  if (status === 429 || status >= 500) {
    return { trouble: `it answers ${status}`, waitSeconds: Number(headers['retry-after']) || 0 };
  }
  if (status !== 200) giveUp(`The login is refused (${status}): check the API key.`);
  const { access_token: token, expires_in: lifeSeconds, scope } = parse(text);
  if (typeof token !== 'string' || !(lifeSeconds > 0))
    giveUp(`${address} does not answer as ringcache does.`);
  if (!String(scope).split(' ').includes('admin'))
    giveUp('The client of this API key lacks the scope admin.');
  return { token, lifeSeconds };
}

/** Read each time: it may have been replaced. */
function readCertificate() {
  try {
    const pem = readFileSync(caFile);
    // node:https would take a file without any for one that trusts nobody.
    new X509Certificate(pem);
    return pem;
  } catch (error) {
    giveUp(`${caFile} cannot be read as a certificate (${error.code}).`);
  }
}

function parse(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/** Rejects when there is no whole answer in time, or when the certificate is not the one to trust. */
function post(url, body, ca) {
  return new Promise((resolve, reject) => {
    const options = {
      method: 'POST',
      ca,
      servername: serverName,
      headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) },
      signal: AbortSignal.timeout(REPLY_MS_MAX),
      agent: false,
    };
    const outgoing = request(url, options, (incoming) => {
      let text = '';
      incoming.setEncoding('utf8');
      incoming.on('data', (chunk) => {
        text += chunk;
        if (text.length > REPLY_BYTES_MAX) outgoing.destroy(new Error('the answer is too long'));
      });
      incoming.on('end', () => resolve({ status: incoming.statusCode, headers: incoming.headers, text }));
      incoming.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

function write(token) {
  const draft = `${tokenFile}.${randomBytes(6).toString('hex')}`;
  try {
    writeFileSync(draft, token, { mode: 0o600, flag: 'wx' });
    renameSync(draft, tokenFile);
  } catch (error) {
    rmSync(draft, { force: true });
    giveUp(`${tokenFile} cannot be written (${error.code}).`);
  }
}

function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function say(line) {
  process.stderr.write(`${line}\n`);
}

function giveUp(sentence) {
  say(sentence);
  process.exit(1);
}
