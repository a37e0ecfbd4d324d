# Sourced by the scripts beside it: where things are kept, and one builder at a time.
# shellcheck shell=bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=$(basename "$0" .sh)
# Outside the tree, so that a clean clone starts warm.
cache=${WEIR_REGISTRIES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weir/registries}/$name
mkdir -p "$cache"

need() { # need "what to install" COMMAND...
  local hint=$1; shift
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || { echo "$name.sh: $tool is missing; install $hint" >&2; exit 2; }
  done
}

stamp() { cat "$@" | sha256sum | cut -c1-12; }

# Runs `build` (a function of the caller) unless `built` says that its result is there.
once() {
  exec 9>"$cache/lock"
  flock 9
  built || build >&2
  exec 9>&-
}

# The class path of pom.xml and the classes of the Java sources, in the cache.
java_built() {
  [ -f "$cache/$java_stamp/done" ] || return 1
  local jar
  while IFS= read -r -d: jar; do [ -f "$jar" ] || return 1; done < <(printf '%s:' "$(cat "$cache/$java_stamp/classpath")")
}
java_build() {
  rm -rf "${cache:?}/$java_stamp"
  mkdir -p "$cache/$java_stamp/classes"
  mvn -q -B -f "$here/$name/pom.xml" dependency:build-classpath -DincludeScope=runtime \
    -Dmdep.outputFile="$cache/$java_stamp/classpath"
  javac -cp "$(cat "$cache/$java_stamp/classpath")" -d "$cache/$java_stamp/classes" "$here/$name"/*.java
  touch "$cache/$java_stamp/done"
}
java_prepare() {
  need "a JDK 17 and Maven (Debian: openjdk-17-jdk-headless maven)" java javac mvn
  java_stamp=$(stamp "$here/$name/pom.xml" "$here/$name"/*.java)
  built() { java_built; }
  build() { java_build; }
  once
  class_path="$cache/$java_stamp/classes:$(cat "$cache/$java_stamp/classpath")"
}
