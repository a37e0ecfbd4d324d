#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=canary
source deploy/examples/start.sh
backend v1 8101
backend v2 8102
control
agent edge here 9080
apply deploy/examples/canary/config.yaml
up_until_stopped
