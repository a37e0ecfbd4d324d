#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=fast
source deploy/examples/start.sh

# products PORT: an nginx that tells by which connection it was asked. Its list of all products is long.
products() {
  mkdir -p "$data/list"
  seq -f '{"product": %.0f, "name": "a lamp", "colour": "green"}' 2000 >"$data/list/all"
  origin products "$1" application/json <<LOCATIONS
    location = /api/products/all { alias $PWD/$data/list/all; }
    location / { return 200 '{"uri": "\$uri", "connection": \$connection}\n'; }
LOCATIONS
}

products 8101
control
agent edge here 9080
apply deploy/examples/fast/config.yaml
up_until_stopped
