# Starts the parts of an example on loopback and ends them together. Sourced by each run.sh, which
# sets `example`. Data, logs and process ids go to weir-data/EXAMPLE.
set -euo pipefail
weir=${WEIR:-target/debug/weir}
data=weir-data/$example
key=$data/control/admin.key
rm -rf "$data"
mkdir -p "$data"
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait' EXIT
trap 'exit 0' INT TERM

# start NAME COMMAND...: in the background, with its log and its process id in files.
start() {
  local name=$1
  shift
  "$@" >"$data/$name.log" 2>&1 &
  pids+=($!)
  echo $! >"$data/$name.pid"
}

# up WHAT URL: waits until the URL answers well.
up() {
  for _ in $(seq 300); do
    if curl -sf -o "$data/up" "$2"; then return; fi
    sleep 0.2
  done
  echo "$1 is not up, see $data" >&2
  exit 1
}

# origin NAME PORT TYPE: an nginx with the locations of standard input, which answers in this content type;
# /healthz says that it is well.
origin() {
  mkdir -p "$data/$1"
  cat >"$data/$1/nginx.conf" <<CONF
daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off; default_type $3;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:$2;
    location = /healthz { return 200 "well\n"; }
$(cat)
  }
}
CONF
  PATH=$PATH:/usr/sbin:/sbin start "$1" nginx -p "$data/$1" -c nginx.conf -e stderr
  up "$1" "http://127.0.0.1:$2/healthz"
}

# backend NAME PORT: answers every path with its name.
backend() {
  origin "$1" "$2" text/plain <<<"    location / { return 200 \"$1\\n\"; }"
}

# control: one control node on its default ports, which makes an admin key.
control() {
  start control "$weir" control --node-id 1 --data-dir "$data/control" --bootstrap \
    --admin 127.0.0.1:9180 --grpc 127.0.0.1:9181 --peer 127.0.0.1:9182 --status 127.0.0.1:9183
  up "the control node" http://127.0.0.1:9183/readyz
}

# agent NAME REGION PORT [OPTION...]: its HTTP listener is PORT, TLS and status are PORT+1 and PORT+2.
agent() {
  start "$1" "$weir" agent --control 127.0.0.1:9181 --name "$1" --region "$2" --workers 1 --data-dir "$data/$1" \
    --http "127.0.0.1:$3" --https "127.0.0.1:$(($3 + 1))" --status "127.0.0.1:$(($3 + 2))" "${@:4}"
  up "$1" "http://127.0.0.1:$(($3 + 2))/readyz"
}

# apply FILE: writes the configuration, as one revision.
apply() {
  "$weir" apply --server 127.0.0.1:9181 --key-file "$key" -f "$1"
}

# up_until_stopped: says so, and waits for Ctrl-C.
up_until_stopped() {
  echo "example $example is up; Ctrl-C stops it"
  wait
}
