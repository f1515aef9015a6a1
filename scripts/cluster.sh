#!/usr/bin/env bash
# Builds the test control plane (tests/cluster) unless it is there already, and prints the folder of its programs.
#
# The programs are kept outside the sources, one folder for each state of tests/cluster, so a fresh clone on the same
# machine builds nothing. The first build takes about 5 minutes and needs Go and the Go module proxy, nothing else.
set -euo pipefail

sources="$(cd "$(dirname "${BASH_SOURCE[0]}")/../tests/cluster" && pwd)"
script="$(realpath "${BASH_SOURCE[0]}")"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/tiphys"
state="$(cd "$sources" && { go env GOVERSION GOARCH; cat go.mod go.sum *.go stages/*.yaml; cat "$script"; } | sha256sum | cut -c1-16)"
folder="$cache/cluster-$state"

mkdir -p "$cache"
# Of several callers at once, one builds and the others wait for it.
exec 9>"$cache/cluster.lock"
flock 9

if [[ ! -x "$folder/tiphys-cluster" || ! -x "$folder/kwok" ]]; then
  echo "cluster: building the test control plane into $folder (about 5 minutes the first time)" >&2
  cd "$sources"
  # The release whose sources are built; clients refuse a server that does not know its version.
  release="$(go list -m -f '{{.Version}}' k8s.io/kubernetes)"
  IFS=. read -r major minor _ <<<"${release#v}"
  versions=""
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    versions+=" -X $package.gitVersion=$release -X $package.gitMajor=$major -X $package.gitMinor=$minor"
  done
  new="$(mktemp -d "$cache/building-XXXXXX")"
  trap 'rm -rf "$new"' EXIT
  export CGO_ENABLED=0
  go build -trimpath -ldflags "-s -w$versions" -o "$new/tiphys-cluster" . >&2 9>&-
  go build -trimpath -ldflags "-s -w" -o "$new/kwok" sigs.k8s.io/kwok/cmd/kwok >&2 9>&-
  # What tests and people call as `kubectl`.
  printf '#!/bin/sh\nexec "%s/tiphys-cluster" kubectl "$@"\n' "$folder" >"$new/kubectl"
  chmod 755 "$new" "$new/kubectl"
  rm -rf "$folder"
  mv "$new" "$folder"
  trap - EXIT
fi

touch "$folder"
find "$cache" -maxdepth 1 -name 'cluster-????????????????' -mtime +14 -exec rm -rf {} +
echo "$folder"
