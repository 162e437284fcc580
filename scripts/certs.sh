#!/bin/sh
# Makes a private key and a self-signed certificate for the HTTPS listener, with openssl 1.1.1 or newer.
# Plain sh, so that it runs in small containers too.
set -eu

usage() {
  cat <<'END'
usage: scripts/certs.sh [--rsa] [--name NAME]… [--force] [FOLDER]

Writes FOLDER/key.pem (readable by you alone) and FOLDER/cert.pem; FOLDER is certs unless given. The certificate is
for localhost, 127.0.0.1 and ::1, for each further NAME (a host name or an IP address), and for 825 days.

  --rsa     RSA of 4096 bits instead of the elliptic curve P-256
  --force   overwrite files that are there
END
}

fail() {
  echo "certs.sh: $1" >&2
  exit 1
}

folder=
force=no
names=DNS:localhost,IP:127.0.0.1,IP:::1
algorithm='-newkey ec -pkeyopt ec_paramgen_curve:P-256'

while [ $# -gt 0 ]; do
  case $1 in
    --rsa) algorithm='-newkey rsa:4096' ;;
    --force) force=yes ;;
    --name)
      [ $# -ge 2 ] || fail '--name needs a host name or an IP address'
      shift
      case $1 in
        '' | *[!A-Za-z0-9.:*-]*) fail "--name: '$1' is no host name and no IP address" ;;
      esac
      if printf '%s\n' "$1" | grep -Eq ':|^[0-9]+(\.[0-9]+){3}$'; then
        names=$names,IP:$1
      else
        names=$names,DNS:$1
      fi
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    -*) fail "unknown option $1 (see --help)" ;;
    *)
      [ -z "$folder" ] || fail 'give one folder only'
      folder=$1
      ;;
  esac
  shift
done
folder=${folder:-certs}
key=$folder/key.pem
cert=$folder/cert.pem

command -v openssl >/dev/null || fail 'openssl is not installed'
if [ "$force" = no ]; then
  for file in "$key" "$cert"; do
    # -L too: a link to nowhere would be written through.
    if [ -e "$file" ] || [ -L "$file" ]; then
      fail "$file is there already; --force overwrites it"
    fi
  done
fi

mkdir -p "$folder"
# From here on whatever is written is readable by its owner alone, the key before it has its first byte.
umask 077
work=$(mktemp -d "$folder/.certs-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# A configuration of our own, because the system's may add extensions that contradict these.
cat >"$work/openssl.cnf" <<END
[req]
distinguished_name = subject
x509_extensions = extensions
prompt = no
[subject]
CN = localhost
[extensions]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
subjectAltName = $names
END

# shellcheck disable=SC2086 # several words on purpose
openssl req -x509 -config "$work/openssl.cnf" $algorithm -nodes -sha256 -days 825 \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>"$work/errors" || {
  cat "$work/errors" >&2
  fail 'openssl could not make the certificate'
}

# Both are whole now. Renaming keeps a running service from reading half a file; it takes up the pair when both fit.
chmod 600 "$work/key.pem"
chmod 644 "$work/cert.pem"
mv -f "$work/key.pem" "$key"
mv -f "$work/cert.pem" "$cert"
echo "certs.sh: wrote $cert for $names, and its key $key" >&2
