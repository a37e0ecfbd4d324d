#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=legacy
source deploy/examples/start.sh

# erp PORT: an nginx that stands for the old system. It speaks XML, has addresses of its own, and lets in
# one technical user (gateway, secret) only.
erp() {
  mkdir -p "$data/erp"
  cat >"$data/erp/nginx.conf" <<CONF
daemon off; master_process off; pid nginx.pid; error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off; default_type text/xml;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:$1;
    location = /healthz { return 200 "well\n"; }
    location = /erp/getCustData.do {
      if (\$http_authorization != "Basic Z2F0ZXdheTpzZWNyZXQ=") { return 401; }
      return 200 '<e:CustData xmlns:e="urn:erp"><e:Cust no="\$arg_id"><e:Nm>Smith &amp; Sons</e:Nm><e:Tel>1</e:Tel><e:Tel>2</e:Tel></e:Cust></e:CustData>';
    }
    location = /erp/saveCust.do {
      if (\$http_authorization != "Basic Z2F0ZXdheTpzZWNyZXQ=") { return 401; }
      client_body_buffer_size 64k;
      proxy_set_header X-Body \$request_body;
      proxy_method GET;
      proxy_pass http://127.0.0.1:$1/saved;
    }
    location = /saved { return 200 '<Saved>\$http_x_body</Saved>'; }
  }
}
CONF
  PATH=$PATH:/usr/sbin:/sbin start erp nginx -p "$data/erp" -c nginx.conf -e stderr
  up "the old system" "http://127.0.0.1:$1/healthz"
}

erp 8101
control
agent edge here 9080
apply deploy/examples/legacy/config.yaml
up_until_stopped
