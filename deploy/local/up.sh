#!/usr/bin/env bash
# Three members on this machine, and Prometheus beside them where it is installed; everything on loopback.
# deploy/local/down.sh ends them; --wipe there removes their data.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly START_SECONDS=60
export QUORATE_BIN=${QUORATE_BIN:-${CARGO_TARGET_DIR:-$HOME/.cache/quorate/target}/debug/quorate}
export QUORATE_ENDPOINTS=127.0.0.1:7401,127.0.0.1:7402,127.0.0.1:7403

for id in 1 2 3; do
    ./member.sh start "$id"
done

# A member answers before it knows a leader; ready is when a read that needs a majority is answered.
deadline=$((SECONDS + START_SECONDS))
until "$QUORATE_BIN" status >/dev/null 2>&1 && "$QUORATE_BIN" range probe/ --prefix --timeout 1s >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
        echo "up: the cluster does not answer after $START_SECONDS s; the logs are in deploy/local/data" >&2
        exit 3
    fi
    sleep 0.2
done

if ! command -v prometheus >/dev/null 2>&1; then
    echo "Prometheus is not installed: /metrics is at 127.0.0.1:7601 to 7603 all the same"
elif [[ -r data/prometheus.pid ]] && kill -0 "$(<data/prometheus.pid)" 2>/dev/null; then
    echo "Prometheus runs already"
else
    setsid prometheus --config.file=../prometheus/prometheus.yml --storage.tsdb.path=data/prometheus \
        --web.listen-address=127.0.0.1:9090 </dev/null >>data/prometheus.log 2>&1 &
    echo $! >data/prometheus.pid
    echo "Prometheus: http://127.0.0.1:9090"
fi

"$QUORATE_BIN" status
echo "export QUORATE_ENDPOINTS=$QUORATE_ENDPOINTS"
