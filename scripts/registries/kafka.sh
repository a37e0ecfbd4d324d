#!/usr/bin/env bash
# kafka.sh --prepare             fetches the libraries by Maven, and ends
# kafka.sh --read PORT TOPIC N   reads N messages of a topic from its beginning, one to a line
# kafka.sh DIR PORT              one broker in KRaft mode in the foreground, its state in DIR
# Ports on 127.0.0.1: PORT without a login, PORT+1 for the controller, PORT+2 with one (user weir, password weir-test;
# PLAIN, SCRAM-SHA-256, SCRAM-SHA-512). Topics are made when they are first used, with two partitions. SIGTERM stops it.
source "$(dirname "$0")/common.sh"

need "a JDK 17 and Maven (Debian: openjdk-17-jdk-headless maven)" java mvn
kept=$cache/$(stamp "$here/kafka/pom.xml")
built() {
  [ -f "$kept/done" ] || return 1
  local jar
  while IFS= read -r -d: jar; do [ -f "$jar" ] || return 1; done < <(printf '%s:' "$(cat "$kept/classpath")")
}
build() {
  rm -rf "$kept"
  mkdir -p "$kept"
  mvn -q -B -f "$here/kafka/pom.xml" dependency:build-classpath -DincludeScope=runtime -Dmdep.outputFile="$kept/classpath"
  touch "$kept/done"
}
once
usage="usage: kafka.sh --prepare | --read PORT TOPIC N | DIR PORT"
class_path=$(cat "$kept/classpath")
dir=${1:?$usage}
[ "$dir" = --prepare ] && exit
port=${2:?$usage}
java=(java -Xms64m -Xmx256m -XX:TieredStopAtLevel=1 -cp "$class_path")
if [ "$dir" = --read ]; then
  exec "${java[@]}" org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "127.0.0.1:$port" \
    --topic "${3:?$usage}" --from-beginning --max-messages "${4:?$usage}" --timeout-ms 60000
fi

mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
login='org.apache.kafka.common.security'
cat > "$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$((port + 1)),SASL_PLAINTEXT://127.0.0.1:$((port + 2))
advertised.listeners=PLAINTEXT://127.0.0.1:$port,SASL_PLAINTEXT://127.0.0.1:$((port + 2))
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.sasl_plaintext.plain.sasl.jaas.config=$login.plain.PlainLoginModule required user_weir="weir-test";
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=$login.scram.ScramLoginModule required;
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=$login.scram.ScramLoginModule required;
log.dirs=$dir/log
num.partitions=2
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
PROPERTIES
"${java[@]}" kafka.tools.StorageTool format --ignore-formatted -t 4L6g3nShT-eMCtK--X86sw -c "$dir/server.properties" \
  --add-scram 'SCRAM-SHA-256=[name=weir,password=weir-test]' \
  --add-scram 'SCRAM-SHA-512=[name=weir,password=weir-test]' >&2
exec "${java[@]}" kafka.Kafka "$dir/server.properties"
