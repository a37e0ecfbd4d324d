#!/usr/bin/env bash
# dns.sh --prepare               installs BIND by apt when it is missing, and ends
# dns.sh DIR ADDRESS PORT ZONE   BIND in the foreground with an empty ZONE, by UDP and TCP
# ADDRESS must be one that an interface has: of 127.0.0.0/8 usually only 127.0.0.1.
# Records change at run time: nsupdate <<< "server ADDRESS PORT ...". Other zones are refused.
# Ready when it answers for the SOA of ZONE. SIGTERM stops it.
source "$(dirname "$0")/common.sh"

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
built() { have named && have nsupdate; }
build() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "dns.sh: BIND is missing; install it (Debian: bind9 bind9-dnsutils)" >&2
    exit 2
  fi
  export DEBIAN_FRONTEND=noninteractive
  # Not as a service: only what this script starts should run.
  apt-get update -qq
  RUNLEVEL=1 apt-get install -y -qq --no-install-recommends bind9 bind9-dnsutils
}
once
dir=${1:?usage: dns.sh --prepare | DIR ADDRESS PORT ZONE}
[ "$dir" = --prepare ] && exit
address=${2:?usage: dns.sh DIR ADDRESS PORT ZONE}
port=${3:?usage: dns.sh DIR ADDRESS PORT ZONE}
zone=${4:?usage: dns.sh DIR ADDRESS PORT ZONE}

rm -rf "$dir"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
cat > "$dir/zone" <<ZONE
\$TTL 1
@ SOA ns hostmaster 1 60 60 600 1
@ NS ns
ns A $address
ZONE
cat > "$dir/named.conf" <<CONF
options {
  directory "$dir";
  pid-file "$dir/pid";
  session-keyfile "$dir/session.key";
  managed-keys-directory "$dir";
  listen-on port $port { $address; };
  listen-on-v6 { none; };
  recursion no;
  dnssec-validation no;
  empty-zones-enable no;
};
controls { };
zone "$zone" { type primary; file "$dir/zone"; allow-update { 127.0.0.0/8; }; };
CONF
export PATH=$PATH:/usr/sbin
exec named -g -n 1 -c "$dir/named.conf"
