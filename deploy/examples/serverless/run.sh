#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=serverless
source deploy/examples/start.sh

# platform PORT: stands in for a platform of functions: answers with what a function would see.
platform() {
  origin platform "$1" application/json <<LOCATIONS
    set \$caller nobody;
    if (\$http_authorization ~ "^AWS4-HMAC-SHA256 Credential=(?<id>[^/]+)/[0-9]+/(?<region>[^/]+)/(?<service>[^/]+)/") {
      set \$caller "\$id for \$service in \$region";
    }
    location / { return 200 '{"asked":"\$request_method \$request_uri","by":"\$caller"}\n'; }
LOCATIONS
}

backend orders 8102
platform 8101
control
agent edge here 9080
apply deploy/examples/serverless/config.yaml
up_until_stopped
