#!/usr/bin/env bash
# Sets up the programs that the end-to-end tests use: nginx as a real back end, curl as a real
# client, openssl as another, BIND as a real name server, Redis as a real store of counts, slapd as a real directory of
# users. Installs them by apt when they are missing and we are root; else says what to do.
set -euo pipefail
missing=()
have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ]; }
have nginx || missing+=(nginx-light)
have curl || missing+=(curl)
have openssl || missing+=(openssl)
have redis-server || missing+=(redis-server)
have named || missing+=(bind9)
have nsupdate || missing+=(bind9-dnsutils)
have slapd || missing+=(slapd)
[ ${#missing[@]} -eq 0 ] && exit 0
if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "test-deps: installing ${missing[*]}" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  # The packages start servers of their own; the tests start theirs, so keep those off.
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d.weir
  chmod +x /usr/sbin/policy-rc.d.weir
  [ -e /usr/sbin/policy-rc.d ] || { mv /usr/sbin/policy-rc.d.weir /usr/sbin/policy-rc.d; mine=1; }
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  [ -z "${mine:-}" ] || rm -f /usr/sbin/policy-rc.d
  rm -f /usr/sbin/policy-rc.d.weir
else
  echo "test-deps: the tests need ${missing[*]}; install them (for example: sudo apt-get install ${missing[*]}) and run make test again" >&2
  exit 1
fi
