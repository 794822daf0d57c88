# Shared by the scripts in this folder; sourced, never run. Knows the repository's root, the Debian
# packages that each job needs, and how to say what goes on and what to do about a failure.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
JOBS=${JOBS:-$(nproc)}

# Headers and tools for the three presets, and the Redis that tests and scripts/run start privately
# (Debian also starts a service of its own on 6379: nothing here talks to it).
BUILD_PACKAGES=(cmake ninja-build gcc libc6-dev pkg-config python3 libevent-dev libhiredis-dev
  libjansson-dev libssl-dev zlib1g-dev libhttp-parser-dev libjemalloc-dev libprotobuf-c-dev protobuf-c-compiler
  libpcre2-dev libcurl4-openssl-dev liburing-dev libcmocka-dev)
TEST_PACKAGES=(redis-server redis-tools curl chromium nginx-light openssl)
RUN_PACKAGES=(redis-server redis-tools curl)
FUZZ_PACKAGES=(clang libclang-rt-14-dev)
LINT_PACKAGES=(git clang-format clang-tidy lua5.1)
NODE_MAJOR_MIN=18

say() { printf '\n==> %s\n' "$*"; }
die() { printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# usage: prints the comment block that a script begins with, without the #!
usage() { awk 'NR > 1 { if (!/^#/) exit; sub(/^# ?/, ""); print }' "$0"; }

# as_root COMMAND...: through sudo unless already root
as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else die "'$*' needs root and there is no sudo: run that command as root, then start this again"
  fi
}

is_installed() {
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# ensure_packages NAME...: installs those that are missing, and touches apt only if one is
ensure_packages() {
  local missing=() name
  have dpkg-query || {
    echo "Not a Debian system: taking for granted what these packages give: $*" >&2
    return 0
  }
  for name in "$@"; do
    is_installed "$name" || missing+=("$name")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  say "Installing with apt: ${missing[*]}"
  as_root apt-get update -q ||
    die "apt-get update failed: check the network and /etc/apt/sources.list, then start this again"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends \
    "${missing[@]}" || die "apt could not install ${missing[*]}: see its message above"
}

node_major() { node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/'; }

# ensure_node: the node on PATH if it is new enough, else Debian's
ensure_node() {
  if [ "$(node_major || true)" = '' ] || [ "$(node_major)" -lt $NODE_MAJOR_MIN ]; then
    ensure_packages nodejs
    hash -r
  fi
  have npm || ensure_packages npm
  [ "$(node_major)" -ge $NODE_MAJOR_MIN ] ||
    die "the end-to-end tests need Node.js $NODE_MAJOR_MIN or newer, $(node --version) is first on PATH"
}

# ensure_npm_packages: exactly what tests/e2e/package-lock.json says, installed once per lock file
ensure_npm_packages() {
  local dir=$ROOT/tests/e2e stamp
  stamp=$dir/node_modules/.holdfast-lock
  cmp -s "$dir/package-lock.json" "$stamp" && return 0
  say "Installing the npm packages of tests/e2e"
  (cd "$dir" && npm ci --no-audit --no-fund) ||
    die "npm ci failed in tests/e2e: check the network (or npm's own log, named above) and start this again"
  cp "$dir/package-lock.json" "$stamp"
}

# build_preset NAME [TARGET...]: configures and builds build/NAME
build_preset() {
  local preset=$1
  shift
  say "Building preset $preset in build/$preset"
  (cd "$ROOT" && cmake --preset "$preset") ||
    die "cmake could not configure preset $preset: see its message above (rm -r build/$preset starts afresh)"
  (cd "$ROOT" && cmake --build --preset "$preset" -j "$JOBS" ${1:+--target "$@"}) ||
    die "preset $preset does not compile: the first error above says where"
}

# port_is_open PORT: does anything listen there on loopback?
port_is_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
