# Sourced by quickstart and test: checks the toolchain and installs what is missing.

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

require_swift() {
  command -v swift >/dev/null 2>&1 ||
    fail "Swift is not installed: get the toolchain 6.3 from https://www.swift.org/install/linux and put its usr/bin on your PATH."
  local version
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
  set -- $version
  [ "${1:-0}" -gt 6 ] || { [ "${1:-0}" -eq 6 ] && [ "${2:-0}" -ge 3 ]; } ||
    fail "Swift 6.3 or later is needed, this is ${1:-?}.${2:-?}: get it from https://www.swift.org/install/linux."
}

# install PACKAGE…: Debian or Ubuntu packages, those that are missing only.
install() {
  local missing="" package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null 2>&1 || fail "These packages are missing, and there is no apt-get to install them:$missing"
  local sudo=""
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || fail "These packages are missing, and installing them needs root: apt-get install$missing"
    sudo=sudo
  fi
  say "Installing$missing"
  $sudo apt-get update -qq || fail "apt-get update failed; install these packages by hand:$missing"
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq $missing >/dev/null || fail "apt-get could not install:$missing"
}

install_libraries() { install liblmdb-dev libblas-dev libxxhash-dev libstemmer-dev pkg-config libopenblas0-pthread libcurl4; }

# start_of PROCESS: in clock ticks since the machine was started; nothing if there is no such process.
start_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# own_directory BASE USE: makes a temporary directory whose name says which process made it, as Tests/TestSupport does, and removes those of
# processes that were killed.
own_directory() {
  local namespace other maker
  namespace=$(readlink /proc/self/ns/pid | tr -dc 0-9)
  for other in "$1/engram-$2-$namespace"-*; do
    [ -d "$other" ] && [ -O "$other" ] && [ ! -L "$other" ] || continue
    maker=${other#"$1/engram-$2-$namespace-"}
    [ "$(start_of "${maker%%-*}")" = "$(printf '%s' "$maker" | cut -d - -f 2)" ] || rm -rf "$other"
  done
  mktemp -d "$1/engram-$2-$namespace-$$-$(start_of $$)-XXXXXX"
}
