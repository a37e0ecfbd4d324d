#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=streams
source deploy/examples/start.sh
backend one 8101
backend two 8102
control
agent edge here 9080 --stream-tcp 127.0.0.1:9100,127.0.0.1:9101
apply deploy/examples/streams/config.yaml
up_until_stopped
