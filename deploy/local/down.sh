#!/usr/bin/env bash
# Ends what deploy/local/up.sh started. With --wipe, what the members stored goes too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

case "${1:-}" in
    "" | --wipe) ;;
    *)
        echo "usage: down.sh [--wipe]" >&2
        exit 2
        ;;
esac
for id in 1 2 3; do
    ./member.sh stop "$id"
done
if [[ -r data/prometheus.pid ]]; then
    pid=$(<data/prometheus.pid)
    # The number may be another's by now.
    if [[ $(ps -p "$pid" -o args= 2>/dev/null) == prometheus* ]]; then
        kill "$pid"
        echo "Prometheus has ended"
    fi
    rm -f data/prometheus.pid
fi
if [[ ${1:-} == --wipe ]]; then
    rm -rf data
    echo "what they stored is gone"
fi
