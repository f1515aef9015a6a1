#!/usr/bin/env bash
# Builds the real Helm that tests compare with (tests/helm) unless it is there already, and prints the path of the program.
#
# The program is kept outside the sources, one for each state of tests/helm, so a fresh clone on the same machine builds
# nothing. The first build takes about 5 minutes and needs Go and the Go module proxy, nothing else.
set -euo pipefail

sources="$(cd "$(dirname "${BASH_SOURCE[0]}")/../tests/helm" && pwd)"
script="$(realpath "${BASH_SOURCE[0]}")"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/tiphys"
state="$(cd "$sources" && { go env GOVERSION GOARCH; cat go.mod go.sum *.go; cat "$script"; } | sha256sum | cut -c1-16)"
folder="$cache/helm-peer-$state"

mkdir -p "$cache"
# Of several callers at once, one builds and the others wait for it.
exec 9>"$cache/helm-peer.lock"
flock 9

if [[ ! -x "$folder/helm-peer" ]]; then
  echo "helm-peer: building the real Helm into $folder (about 5 minutes the first time)" >&2
  cd "$sources"
  # What `.Capabilities.HelmVersion` says in a release of Helm is set at build time.
  release="$(go list -m -f '{{.Version}}' helm.sh/helm/v4)"
  new="$(mktemp -d "$cache/building-XXXXXX")"
  trap 'rm -rf "$new"' EXIT
  export CGO_ENABLED=0
  go build -trimpath -ldflags "-s -w -X helm.sh/helm/v4/internal/version.version=$release" -o "$new/helm-peer" . >&2 9>&-
  chmod 755 "$new"
  rm -rf "$folder"
  mv "$new" "$folder"
  trap - EXIT
fi

touch "$folder"
find "$cache" -maxdepth 1 -name 'helm-peer-????????????????' -mtime +14 -exec rm -rf {} +
echo "$folder/helm-peer"
