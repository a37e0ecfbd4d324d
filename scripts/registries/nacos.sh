#!/usr/bin/env bash
# nacos.sh --prepare                 fetches and compiles what is needed and ends
# nacos.sh DIR ADDRESS PORT [auth]   one Nacos 3 server in the foreground, its state in DIR
# Ports: PORT HTTP on ADDRESS; PORT+1000 gRPC, PORT+1001 gRPC of servers and PORT-1000 Raft on every
# address, since Nacos has no setting for that. SIGTERM stops it.
# With `auth`, authentication is on; the first POST to /nacos/v3/auth/user/admin sets the password.
# NACOS_TOKEN_SECONDS is the life of a login.
# Ready when /nacos/v3/admin/core/state/readiness answers 200 (and, with `auth`, a login does).
source "$(dirname "$0")/common.sh"

java_prepare
dir=${1:?usage: nacos.sh --prepare | DIR ADDRESS PORT [auth]}
[ "$dir" = --prepare ] && exit
address=${2:?usage: nacos.sh DIR ADDRESS PORT [auth]}
port=${3:?usage: nacos.sh DIR ADDRESS PORT [auth]}
auth=false
[ "${4:-}" = auth ] && auth=true

mkdir -p "$dir/conf"
dir=$(cd "$dir" && pwd)
cat > "$dir/conf/application.properties" <<PROPERTIES
nacos.server.main.port=$port
nacos.server.contextPath=/nacos
server.address=$address
nacos.inetutils.ip-address=$address
server.tomcat.accesslog.enabled=false
server.error.include-message=ALWAYS
nacos.core.auth.system.type=nacos
nacos.core.auth.enabled=$auth
nacos.core.auth.admin.enabled=$auth
nacos.core.auth.console.enabled=$auth
nacos.core.auth.server.identity.key=weir-test
nacos.core.auth.server.identity.value=weir-test
nacos.core.auth.plugin.nacos.token.secret.key=$(printf 'weir%.0s' {1..12} | base64 -w0)
nacos.core.auth.plugin.nacos.token.expire.seconds=${NACOS_TOKEN_SECONDS:-18000}
# The embedded database opens slowly on a busy machine.
db.pool.config.connectionTimeout=60000
PROPERTIES
# Two libraries have the classes of com.caucho.hessian, and both are needed: the newer copy must win.
hessian=$(tr : '\n' <<<"$class_path" | grep '/com/caucho/hessian/')
cd "$dir"
exec java -Xms128m -Xmx512m -XX:TieredStopAtLevel=1 -Djava.net.preferIPv4Stack=true \
  -Dnacos.standalone=true -Dnacos.home="$dir" -Duser.home="$dir" -Dnacos.deployment.type=server \
  -Dderby.system.durability=test -cp "$dir/conf:$hessian:$class_path" weir.registries.StartNacos
