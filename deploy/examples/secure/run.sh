#!/usr/bin/env bash
# Starts everything of this example on loopback: run it from the top of the repository.
example=secure
source deploy/examples/start.sh

# issue NAME SUBJECT-ALTERNATIVE-NAME: a key and a certificate, signed by the company's own authority.
pki=$data/pki
mkdir -p "$pki"
authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj "/CN=$example authority" \
    -keyout "$pki/ca.key" -out "$pki/ca.pem" 2>"$pki/log"
}
issue() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$pki/$1.key" 2>"$pki/log" |
    openssl x509 -req -days 1 -CA "$pki/ca.pem" -CAkey "$pki/ca.key" -out "$pki/$1.pem" \
      -extfile <(echo "subjectAltName=$2") 2>"$pki/log"
}

# orders PORT: an nginx that talks TLS to whoever shows a certificate of the authority, and lets in one
# user (gateway, the password below). Nothing else is told on its plain port.
orders() {
  origin orders "$1" text/plain <<LOCATIONS
    listen 127.0.0.1:$(($1 + 100)) ssl;
    ssl_certificate $PWD/$pki/orders.pem;
    ssl_certificate_key $PWD/$pki/orders.key;
    ssl_client_certificate $PWD/$pki/ca.pem;
    ssl_verify_client on;
    location / {
      if (\$https = "") { return 403; }
      if (\$http_authorization != "Basic $(printf 'gateway:%s' "$ORDERS_PASSWORD" | base64)") { return 401; }
      return 200 "\$request_method \$uri, asked by \$ssl_client_s_dn for \$http_x_consumer_username\n";
    }
LOCATIONS
}

authority
issue orders DNS:orders.internal
issue gateway DNS:gateway.internal
# What no configuration should hold comes to the agent by its environment.
ORDERS_PASSWORD=$(openssl rand -hex 16)
GATEWAY_CERT=$(<"$pki/gateway.pem")
GATEWAY_KEY=$(<"$pki/gateway.key")
export ORDERS_PASSWORD GATEWAY_CERT GATEWAY_KEY
orders 8101
control
agent edge here 9080
# The authority's certificate is no secret, and another one each time.
{
  cat deploy/examples/secure/config.yaml
  echo 'ssls:'
  echo '  - {id: gateway, type: client, cert: "$env://GATEWAY_CERT", key: "$env://GATEWAY_KEY"}'
} >"$data/config.yaml"
CA=$(sed 's/^/        /' "$pki/ca.pem") perl -pi -e 's/^ +AUTHORITY$/$ENV{CA}/' "$data/config.yaml"
apply "$data/config.yaml"
up_until_stopped
