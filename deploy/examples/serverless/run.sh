#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=serverless
source deploy/examples/start.sh

# platform PORT: stands in for a platform of functions: answers with what a function would see.
platform() {
  mkdir -p "$data/platform"
  cat >"$data/platform/nginx.conf" <<CONF
daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off; default_type application/json;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  map \$http_authorization \$caller {
    default "nobody";
    "~^AWS4-HMAC-SHA256 Credential=(?<id>[^/]+)/[0-9]+/(?<region>[^/]+)/(?<service>[^/]+)/" "\$id for \$service in \$region";
  }
  server {
    listen 127.0.0.1:$1;
    location = /healthz { return 200 "well\n"; }
    location / { return 200 '{"asked":"\$request_method \$request_uri","by":"\$caller"}\n'; }
  }
}
CONF
  PATH=$PATH:/usr/sbin:/sbin start platform nginx -p "$data/platform" -c nginx.conf -e stderr
  up "the platform" "http://127.0.0.1:$1/healthz"
}

backend orders 8102
platform 8101
control
agent edge here 9080
apply deploy/examples/serverless/config.yaml
up_until_stopped
