#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=resilient
source deploy/examples/start.sh

# broken PORT: an nginx whose service fails every time.
broken() {
  origin broken "$1" text/plain <<<'    location / { return 500 "out of order\n"; }'
}

backend one 8101
backend two 8102
broken 8103
control
agent edge here 9080
apply deploy/examples/resilient/config.yaml
up_until_stopped
