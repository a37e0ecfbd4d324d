#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=legacy
source deploy/examples/start.sh

# erp PORT: an nginx that stands for the old system. It speaks XML, has addresses of its own, and lets in
# one technical user (gateway, secret) only.
erp() {
  origin erp "$1" text/xml <<LOCATIONS
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
LOCATIONS
}

erp 8101
control
agent edge here 9080
apply deploy/examples/legacy/config.yaml
up_until_stopped
