#!/usr/bin/env bash
# Installs what building and testing Tiphys needs and this machine lacks (Debian packages), and says what it does.
# Rust (rustup or packaged) and Go must be there already. When nothing is missing, it does nothing.
set -euo pipefail

for tool in cargo go; do
  if ! command -v "$tool" >/dev/null; then
    echo "setup: $tool is not installed; see CONTRIBUTING.md for the versions that are needed" >&2
    exit 1
  fi
done

missing=()
# need PACKAGE COMMAND...: the package is missing when the command fails.
need() {
  local package="$1"
  shift
  "$@" >/dev/null 2>&1 || missing+=("$package")
}
# sshd lies where only root's PATH leads.
has() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1"; }

need gcc has cc
# Luau, which runs health checks in Lua, is written in C++.
need g++ has c++
need libc6-dev test -e /usr/include/stdio.h
need make has make
need pkg-config has pkg-config
need libssl-dev pkg-config --exists openssl
need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
need git has git
need openssh-client has ssh
need openssh-server has sshd
need util-linux has flock
# The mail server of the tests; Debian's own Python has it.
need python3-aiosmtpd /usr/bin/python3 -c 'import aiosmtpd'

if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

as_root=()
if [[ $EUID -ne 0 ]]; then
  if ! command -v sudo >/dev/null; then
    echo "setup: missing ${missing[*]}; install them as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi
if ! command -v apt-get >/dev/null; then
  echo "setup: missing ${missing[*]} (names of Debian packages); install them with this system's own package manager" >&2
  exit 1
fi
echo "setup: installing ${missing[*]} with apt-get" >&2
"${as_root[@]}" apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
echo "setup: done" >&2
