#!/usr/bin/env bash
# Carries out the operator's guide (raft-node/docs/guide/operations.md) as it is written: the commands are read out of the page and run,
# one after the other, on a cluster that grows from one member to three, loses members, is backed up, loses its majority
# and comes back. After each step what was written before must be there.
#
#   QUORATE_BIN=path/to/quorate deploy/operations_try.sh
#
# The page names ports: this needs root, for a network of its own. Exit code 77: that cannot be had, nothing was tried.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
guide=$here/../raft-node/docs/guide/operations.md
readonly here guide WAIT_SECONDS=60

if [[ -z ${OPERATIONS_TRY_INSIDE:-} ]]; then
    unshare --net true 2>/dev/null || {
        echo "operations_try: no network of its own can be made here: nothing was tried" >&2
        exit 77
    }
    QUORATE_BIN=${QUORATE_BIN:-${CARGO_TARGET_DIR:-$HOME/.cache/quorate/target}/debug/quorate}
    QUORATE_BIN=$(realpath "$QUORATE_BIN") OPERATIONS_TRY_INSIDE=1 exec unshare --net "${BASH_SOURCE[0]}"
fi
ip link set lo up

work=$(mktemp -d)
mkdir "$work/bin"
ln -s "$QUORATE_BIN" "$work/bin/quorate"
PATH=$work/bin:$PATH
cd "$work"
declare -A pids=()

say() { printf '%s  %s\n' "$(date -u +%H:%M:%S)" "$*"; }
fail() {
    say "FAILED: $*" >&2
    tail -n 5 "$work"/*.log "$work/said" >&2 2>/dev/null || true
    exit 1
}
# shellcheck disable=SC2317  # by the trap
end() {
    local code=$?
    for pid in "${pids[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
    exit "$code"
}
trap end EXIT

# The commands of a section of the guide.
commands() {
    awk -v heading="## $1" '
        /^## / { inside = $0 == heading }
        /^```/ { block = $0 == "```console" }
        !inside || !block { next }
        # A line that goes on in the next one.
        more { more = sub(/ *\\$/, ""); sub(/^ */, " "); printf "%s%s", $0, more ? "" : "\n"; next }
        sub(/^\$ /, "") { more = sub(/ *\\$/, ""); printf "%s%s", $0, more ? "" : "\n" }
    ' "$guide" | grep . || fail "the guide has no commands under \"$1\""
}

# One of them. What the page starts in the background goes on; what is refused is tried again, as the page says.
carry_out() {
    local line=$1 id
    if [[ $line =~ ^(.*[^ ])\ *\&$ ]]; then
        line=${BASH_REMATCH[1]}
        id=$(member_of "$line")
        say "member $id: $line"
        bash -c "exec $line" >"$work/member-$id.log" 2>&1 &
        pids[$id]=$!
        disown
        wait_for "member $id to be up" grep -q "member is up" "$work/member-$id.log"
        return
    fi
    say "$line"
    wait_for "$line" bash -c "$line"
}

wait_for() {
    local what=$1 tenths
    shift
    for ((tenths = 0; ; tenths += 5)); do
        "$@" >"$work/said" 2>&1 && return
        kill -0 "${pids[@]}" 2>/dev/null || fail "a member has ended"
        ((tenths < WAIT_SECONDS * 10)) || fail "waited $WAIT_SECONDS s for: $what"
        sleep 0.5
    done
}

# Which member a line starts: by its flag, or by the file of its settings.
member_of() {
    if [[ $1 =~ --member-id\ ([0-9]+) || $1 =~ node-([0-9]+)\.toml ]]; then
        echo "${BASH_REMATCH[1]}"
    else
        fail "it is not said which member this is: $1"
    fi
}

carry_out_all() {
    local line
    while IFS= read -r line; do
        carry_out "$line"
    done
}

kill_member() {
    kill -9 "${pids[$1]}"
    while kill -0 "${pids[$1]}" 2>/dev/null; do
        sleep 0.1
    done
    unset "pids[$1]"
}

# Everything acknowledged is there, and more can be written.
writes=0
still_there() {
    local number value
    for ((number = 0; number < writes; number++)); do
        value=$(quorate --timeout 30s get "k/$number") || fail "k/$number cannot be read"
        [[ $value == *"$number"* ]] || fail "k/$number is $value"
    done
    quorate --timeout 30s put "k/$writes" "$writes" >/dev/null || fail "nothing can be written"
    ((writes += 1))
    say "  $1: all $writes writes are there"
}

voters() { quorate -o json member list | grep -oE '"role":"(leader|voter)"' | wc -l; }

settings() {
    cat <<SETTINGS
member_id = $1
data_directory = "data/node-$1"
listen_client = "127.0.0.1:740$1"
listen_peer = "127.0.0.1:750$1"
listen_http = "127.0.0.1:760$1"
[[cluster.members]]
id = $1
peer = "127.0.0.1:750$1"
SETTINGS
}

# --- Grow -----------------------------------------------------------------------------------------------------------------

settings 1 >node-1.toml
cp node-1.toml node.toml
carry_out "quorate server --config node-1.toml &"
carry_out "quorate put greeting hello"
grow="Grow from one to three to five"
carry_out_all < <(commands "$grow")
# "Go on with 3."
carry_out_all < <(commands "$grow" | sed 's/7402/7403/; s/7502/7503/; s/7602/7603/; s!data/2!data/3!; s/member-id 2/member-id 3/; s/add 2/add 3/; s/promote 2/promote 3/')
[[ $(voters) == 3 ]] || fail "there are not three voters: $(quorate member list)"
still_there "three members"

carry_out_all < <(commands "Look for what is wrong")
still_there "nothing was wrong"

# --- Replace --------------------------------------------------------------------------------------------------------------

kill_member 2
export QUORATE_ENDPOINTS=127.0.0.1:7401,127.0.0.1:7403
carry_out_all < <(commands "Replace a member whose disk or machine is lost")
[[ $(voters) == 3 ]] || fail "there are not three voters: $(quorate member list)"
export QUORATE_ENDPOINTS=127.0.0.1:7401,127.0.0.1:7403,127.0.0.1:7404
still_there "member 2 was replaced"

# --- Make room, back up ---------------------------------------------------------------------------------------------------

# The page's revision is that of another cluster.
revision=$(quorate -o json get greeting | grep -o '"revision":[0-9]*' | head -1 | cut -d: -f2)
carry_out_all < <(commands "A disk fills up" | sed "s/1200000/$revision/")
still_there "history was compacted"
carry_out_all < <(commands "Back up")
backed_up=$writes
still_there "a backup was made"

# --- The majority is lost, and the cluster restored -----------------------------------------------------------------------

kill_member 3
kill_member 4
carry_out_all < <(commands "The majority is lost for good")
kill_member 1
unset QUORATE_ENDPOINTS

# From the backup: what came after it is not in it.
restore="Restore into a new cluster"
rm -rf data
carry_out_all < <(commands "$restore")
writes=$backed_up
still_there "restored from the backup"
now=$(quorate -o json get greeting | grep -o '"revision":[0-9]*' | head -1 | cut -d: -f2)
((now > revision + 1000000)) || fail "revision $now does not come after $revision"
kill_member 1

# And from what the lost majority had left.
rm -rf data
carry_out_all < <(commands "$restore" | sed 's!backup/2026-11-22!rescued!')
writes=$((backed_up + 1))
still_there "restored from what was left"
carry_out_all < <(commands "$grow")
still_there "it grows again"
say "the guide was carried out as it is written"
