#!/usr/bin/env bash
# Runs every test of the workspace, documentation included, on one control plane that is started here and ended here.
# Arguments go to `cargo test`: scripts/test.sh -p tiphys-engine. With --failed alone, those tests run that failed in the
# last run. The exit code is cargo's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."


# The calls of `cargo test` that run what failed according to this log: for each target that failed, all names that failed.
# Without its package a target has the features that it had with the whole workspace.
failed_of() {
  awk '/^failures:$/ { names = ""; next }
       /^    [^ `]/ && !/^    [`]/ { sub(/^ +/, ""); names = names "\t" $0; next }
       /^test result: FAILED/ { all = all names; names = "" }
       /^    `-p / { gsub(/[` ]+/, " "); sub(/^ -p [^ ]+ /, ""); sub(/ $/, ""); gsub(/ /, "\t"); targets[++count] = $0 }
       END { for (n = 1; n <= count; n++) print "--workspace\t" targets[n] "\t--\t--exact" all }' "$1"
}

folder="$PWD/target/test-cluster"
mkdir -p target
# Two runs in one work tree would share the folder of the cluster.
exec 9>target/test.lock
if ! flock --nonblock 9; then
  echo "test: waiting for another run in this work tree" >&2
  flock 9
fi

programs="$(scripts/cluster.sh 9>&-)"
# What is tested in CI is what was committed; a developer's Cargo.lock may change.
locked=()
if [[ -n "${CI:-}" ]]; then
  locked=(--locked)
fi

output="$folder/cargo-test.log"
# One call of `cargo test` is one line, its words apart by tabs.
calls=("$(IFS=$'\t'; echo "$*")")
if [[ "$*" == --failed ]]; then
  mapfile -t calls < <(failed_of "$output")
  if [[ ${#calls[@]} -eq 0 ]]; then
    echo "test: no test failed in the last run, or it did not come so far: $output" >&2
    exit 1
  fi
  export TIPHYS_PROGRAMS="$PWD/target/debug"
elif [[ $# -eq 0 ]]; then
  calls=(--workspace)
  # Tests start the programs of the workspace; --tests makes cargo choose the features that `cargo test` chooses.
  # With a selection, a test that starts a program builds it itself.
  cargo build "${locked[@]}" --workspace --bins --tests 9>&-
  export TIPHYS_PROGRAMS="$PWD/target/debug"
fi

rm -rf "$folder"
mkdir -p "$folder"
mkfifo "$folder/commands"
"$programs/tiphys-cluster" up --dir "$folder" <"$folder/commands" >"$folder/cluster.json" 2>"$folder/up.log" 9>&- &
cluster=$!
# The cluster lives as long as this end of the pipe is open: also when this script is killed, nothing is left behind.
exec 8>"$folder/commands"
while [[ ! -s "$folder/cluster.json" ]]; do
  if ! kill -0 "$cluster" 2>/dev/null; then
    echo "test: the control plane did not start:" >&2
    cat "$folder/up.log" >&2
    exit 1
  fi
  sleep 0.1
done

export TIPHYS_TEST_CLUSTER="$folder/cluster.json"
export TIPHYS_CLUSTER_PROGRAMS="$programs"
# Most tests wait for a server more than they compute, so more of them run at once than there are processors.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(nproc) * 2))}"

code=0
for call in "${calls[@]}"; do
  IFS=$'\t' read -ra words <<<"$call"
  cargo test "${locked[@]}" --no-fail-fast "${words[@]}" 8>&- 9>&- 2>&1 | tee -a "$output" || code=${PIPESTATUS[0]}
done

exec 8>&-
wait "$cluster" || true
rm -rf "$folder/etcd"
if [[ $code -ne 0 ]]; then
  echo "test: logs of the control plane are in $folder/logs, the output in $output" >&2
fi
# Cargo closes each test program with a line of its own; this is their sum.
awk '/^test result: / { passed += $4; failed += $6; skipped += $8 }
     END { printf "total: %d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$output"
exit "$code"
