#!/usr/bin/env bash
# One of the three members on this machine: deploy/local/member.sh start|stop|restart|kill ID
#
# Data, logs and process ids are in deploy/local/data. QUORATE_BIN names another binary than the one that `make build` leaves.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

verb=${1:-}
id=${2:-}
case "$verb:$id" in
    start:[123] | stop:[123] | restart:[123] | kill:[123]) ;;
    *)
        echo "usage: member.sh start|stop|restart|kill 1|2|3" >&2
        exit 2
        ;;
esac

# A stop hands leadership and writes on, and flushes; more than this is a member that hangs.
readonly STOP_SECONDS=30
pid_file=data/node-$id.pid
log=data/node-$id.log
binary=${QUORATE_BIN:-${CARGO_TARGET_DIR:-$HOME/.cache/quorate/target}/debug/quorate}

# The number of a process that has ended may be another's by now: only a server with this very file counts.
running() {
    [[ -r $pid_file ]] && pid=$(<"$pid_file") && [[ $(ps -p "$pid" -o args= 2>/dev/null) == *"server --config node-$id.toml"* ]]
}

start() {
    if running; then
        echo "member $id runs already (process $pid)"
        return
    fi
    if [[ ! -x $binary ]]; then
        echo "member.sh: $binary is missing: run make build, or set QUORATE_BIN" >&2
        exit 5
    fi
    mkdir -p data
    # What is set for the command line is not meant for the server. A group of its own: ^C in the terminal is for the terminal.
    env -u QUORATE_ENDPOINTS -u QUORATE_OUTPUT -u QUORATE_TIMEOUT \
        setsid "$binary" server --config "node-$id.toml" </dev/null >>"$log" 2>&1 &
    echo $! >"$pid_file"
    echo "member $id started (process $!), its log is deploy/local/$log"
}

end_with() {
    if ! running; then
        echo "member $id does not run"
        return
    fi
    kill -s "$1" "$pid"
    for ((tenths = 0; tenths < STOP_SECONDS * 10; tenths++)); do
        if ! kill -0 "$pid" 2>/dev/null; then
            rm -f "$pid_file"
            echo "member $id has ended"
            return
        fi
        sleep 0.1
    done
    echo "member.sh: member $id has not ended within $STOP_SECONDS s; see deploy/local/$log" >&2
    exit 5
}

case $verb in
    start) start ;;
    stop) end_with TERM ;;
    kill) end_with KILL ;;
    restart)
        end_with TERM
        start
        ;;
esac
