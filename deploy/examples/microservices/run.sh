#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=microservices
source deploy/examples/start.sh
backend user-service-1 8101
backend user-service-2 8102
backend product-service 8103
backend order-service 8104
control
agent edge here 9080
apply deploy/examples/microservices/config.yaml
up_until_stopped
