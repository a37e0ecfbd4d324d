#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=two-regions
source deploy/examples/start.sh
backend us-east 8101
backend eu-west 8102
backend spare 8103
control
agent edge-us us-east 9080
agent edge-eu eu-west 9090
apply deploy/examples/two-regions/config.yaml
up_until_stopped
