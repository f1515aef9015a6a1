#!/usr/bin/env bash
# Checks what Tiphys is made of: licences, bans and sources of all dependencies (cargo-deny), and that each one is used
# (cargo-machete). Both are installed into the user's cache when they are missing. Advisories need a network that reaches
# the RustSec database: ADVISORIES=1 asks for them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

tools="${XDG_CACHE_HOME:-$HOME/.cache}/tiphys/tools"
export PATH="$tools/bin:$PATH"
for tool in cargo-deny cargo-machete; do
  if ! command -v "$tool" >/dev/null; then
    echo "deny: installing $tool into $tools (some minutes, once)" >&2
    cargo install --quiet --locked --root "$tools" "$tool"
  fi
done

checks=(licenses bans sources)
if [[ -n "${ADVISORIES:-}" ]]; then
  checks+=(advisories)
fi
cargo deny --locked check "${checks[@]}"
cargo machete --with-metadata
