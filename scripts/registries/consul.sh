#!/usr/bin/env bash
# consul.sh --prepare                 builds the agent (minutes when the caches are empty) and ends
# consul.sh DIR ADDRESS PORT [deny]   one Consul server in the foreground, its state in DIR
# Ports: PORT HTTP, PORT+1 server, PORT+2 gossip, PORT+3 DNS. SIGTERM stops it.
# With `deny`, ACLs are on with default policy deny and CONSUL_TOKEN (a UUID) is the management token.
# Ready when /v1/status/leader names a leader.
source "$(dirname "$0")/common.sh"

agent=$cache/agent-$(stamp "$here"/consul/*)
built() { [ -x "$agent" ]; }
build() {
  need "Go 1.26 or newer" go
  (cd "$here/consul" && go build -mod=readonly -buildvcs=false -ldflags '-s -w' -o "$agent.new" .)
  mv "$agent.new" "$agent"
}
once
dir=${1:?usage: consul.sh --prepare | DIR ADDRESS PORT [deny]}
[ "$dir" = --prepare ] && exit
address=${2:?usage: consul.sh DIR ADDRESS PORT [deny]}
port=${3:?usage: consul.sh DIR ADDRESS PORT [deny]}
acl=false
[ "${4:-}" = deny ] && acl=true
token=${CONSUL_TOKEN:-5eed0000-0000-4000-8000-000000000001}

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
cat > "$dir/agent.json" <<JSON
{
  "node_name": "weir-test",
  "datacenter": "dc1",
  "server": true,
  "bootstrap_expect": 1,
  "bind_addr": "$address",
  "client_addr": "$address",
  "data_dir": "$dir/data",
  "ports": {
    "http": $port, "server": $((port + 1)), "serf_lan": $((port + 2)), "dns": $((port + 3)),
    "serf_wan": -1, "grpc": -1, "grpc_tls": -1, "https": -1
  },
  "performance": {"raft_multiplier": 1},
  "disable_update_check": true,
  "check_update_interval": "0s",
  "leave_on_terminate": false,
  "acl": {
    "enabled": $acl, "default_policy": "deny",
    "tokens": {"initial_management": "$token", "agent": "$token"}
  }
}
JSON
exec "$agent" -config-file "$dir/agent.json"
