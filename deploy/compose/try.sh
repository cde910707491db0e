#!/usr/bin/env bash
# Three containers on a private network, under a load that goes on all the time, while a member is disconnected, killed, replaced
# and upgraded. Every step is checked; in the end no call may have failed and everything acknowledged must be there.
#
#   QUORATE_BIN=path/to/quorate deploy/compose/try.sh        QUORATE_BIN_NEXT: what is upgraded to; default: the same binary
#   TLS=1 deploy/compose/try.sh                             with certificates everywhere, exchanged under load
#
# Needs Docker with compose. Where no Docker answers, and this is root, it starts one for itself in a network of its own, and ends
# it. Where images cannot be pulled, the base image is made with debootstrap. Exit code 77: there is no Docker, nothing was tried.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly WAIT_SECONDS=60
export QUORATE_BIN=${QUORATE_BIN:-${CARGO_TARGET_DIR:-$HOME/.cache/quorate/target}/debug/quorate}
next=${QUORATE_BIN_NEXT:-$QUORATE_BIN}
project=quorate-try
network=${project}_members
work=$(mktemp -d)
daemon=
made_certs=

say() { printf '%s  %s\n' "$(date -u +%H:%M:%S)" "$*"; }
fail() {
    say "FAILED: $*" >&2
    exit 1
}

# --- Docker -------------------------------------------------------------------------------------------------------------

if ! docker info >/dev/null 2>&1; then
    if [[ $(id -u) -ne 0 ]] || ! command -v dockerd >/dev/null 2>&1; then
        echo "try: no Docker answers, and none can be started here: nothing was tried" >&2
        exit 77
    fi
    # A network of its own: Docker's rules for packets are nobody else's business.
    # shellcheck disable=SC2016  # they are arguments of the inner one
    unshare --net --mount --propagation private sh -c 'ip link set lo up; exec "$@"' - \
        dockerd --data-root "${DOCKER_ROOT:-$work/data}" --exec-root "$work/exec" --pidfile "$work/docker.pid" \
        --host "unix://$work/docker.sock" </dev/null >"$work/docker.log" 2>&1 &
    daemon=$!
    export DOCKER_HOST=unix://$work/docker.sock
fi
if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
elif command -v docker-compose >/dev/null 2>&1; then
    compose=(docker-compose)
else
    [[ -z $daemon ]] || kill "$daemon"
    echo "try: neither docker compose nor docker-compose is installed: nothing was tried" >&2
    exit 77
fi
compose+=(--project-name "$project" --profile replacement -f compose.yaml -f compose.try.yaml)
[[ -z ${TLS:-} ]] || compose+=(-f compose.tls.yaml)

# shellcheck disable=SC2317  # by the trap
end() {
    local code=$?
    if ((code)); then
        "${compose[@]}" logs --tail 40 >"$work/logs" 2>&1 || true
        tail -60 "$work/logs" >&2 || true
    fi
    docker rm -f "$project-load" >/dev/null 2>&1 || true
    "${compose[@]}" down --volumes --timeout 10 >/dev/null 2>&1 || true
    if [[ $daemon ]]; then
        kill "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    [[ -z $made_certs ]] || rm -rf certs
    rm -rf "$work" 2>/dev/null || true
    exit "$code"
}
trap end EXIT

for ((tenths = 0; ; tenths++)); do
    docker info >/dev/null 2>&1 && break
    ((tenths < 300)) || { tail -5 "$work/docker.log" >&2; fail "Docker has not started within 30 s"; }
    sleep 0.1
done

# --- Images -------------------------------------------------------------------------------------------------------------

docker image inspect debian:bookworm-slim >/dev/null 2>&1 || docker pull --quiet debian:bookworm-slim 2>/dev/null \
    || ../docker/base.sh
image() {
    mkdir -p "$work/$1"
    cp "$2" "$work/$1/quorate"
    strip "$work/$1/quorate" 2>/dev/null || true
    # What every builder can do: no target is reached by stages that need more than the base.
    docker build --quiet -f ../docker/Dockerfile --target prebuilt --label "try=$1" -t "quorate:$1" "$work/$1" \
        >"$work/build" 2>&1 || { tail -5 "$work/build" >&2; fail "the image cannot be made"; }
    rm -rf "${work:?}/$1"
}
image try "$QUORATE_BIN"
image next "$next"
export QUORATE_IMAGE=quorate:try
say "images: $(docker image inspect -f '{{.Size}} bytes, user {{.Config.User}}' quorate:try)"

# Prometheus takes part where there is one: its image, or the program on this machine.
services=(node-1 node-2 node-3)
if docker image inspect "${PROMETHEUS_IMAGE:=prom/prometheus:v3.5.0}" >/dev/null 2>&1; then
    services+=(prometheus)
elif command -v prometheus >/dev/null 2>&1; then
    PROMETHEUS_IMAGE=prometheus:try
    mkdir "$work/prometheus"
    cp "$(command -v prometheus)" "$work/prometheus/prometheus"
    printf '%s\n' 'FROM debian:bookworm-slim' 'COPY prometheus /bin/prometheus' \
        'RUN install -d -o 65534 -g 65534 /prometheus' 'USER 65534' 'ENTRYPOINT ["/bin/prometheus"]' >"$work/prometheus/Dockerfile"
    docker build --quiet -t "$PROMETHEUS_IMAGE" "$work/prometheus" >/dev/null 2>&1
    services+=(prometheus)
fi
export PROMETHEUS_IMAGE

# --- The cluster, and a load --------------------------------------------------------------------------------------------

client=(--env QUORATE_OUTPUT=json)
for id in 1 2 3 4; do
    client+=(--add-host "node-$id:172.30.1.1$id")
done
if [[ ${TLS:-} ]]; then
    [[ ! -e certs ]] || fail "deploy/compose/certs is there: move it away, certificates of its own are made for this"
    made_certs=yes
    ./certs.sh >/dev/null
    client+=(--volume "$PWD/certs/client-client:/tls:ro" --env QUORATE_CA=/tls/client-ca.crt
        --env QUORATE_CERTIFICATE=/tls/client.crt --env QUORATE_KEY=/tls/client.key)
fi
"${compose[@]}" up -d "${services[@]}" >"$work/up" 2>&1 || { tail -5 "$work/up" >&2; fail "the containers cannot be started"; }
docker run -d --name "$project-load" --network "$network" "${client[@]}" --entrypoint sleep quorate:try infinity >/dev/null

members=node-1:7401,node-2:7401,node-3:7401
in_load() { docker exec "$project-load" "$@"; }
in_background() { docker exec -d "$project-load" bash -c "$1"; }

# What `quorate status` of the endpoints says, one field of each, sorted.
each() { in_load quorate --endpoints "$1" --timeout 3s status 2>/dev/null | grep -o "\"$2\":[^,}]*" | sort -u; }
# All of them answer, with one leader, no alarm, and the same state.
well() {
    in_load quorate --endpoints "$1" --timeout 3s status >"$work/status" 2>/dev/null || return 1
    # As many as endpoints, all of them equal.
    [[ $(grep -o '"leader":[0-9][0-9]*' "$work/status" | sort | uniq -c | awk '{ print $1 }') == "$(tr , '\n' <<<"$1" | wc -l)" ]] \
        && ! grep -q '"alarms":\["' "$work/status"
}
wait_for() {
    local what=$1 deadline=$((SECONDS + WAIT_SECONDS))
    shift
    until "$@"; do
        ((SECONDS < deadline)) || fail "$what: not within $WAIT_SECONDS s"
        sleep 0.3
    done
    say "$what"
}
acknowledged() { in_load sh -c 'wc -l </tmp/acknowledged'; }
# The load gets answers, also now.
goes_on() {
    local before
    before=$(acknowledged)
    wait_for "$1: writes go on" more_than $((before + 10))
}
more_than() { (($(acknowledged) > $1)); }
leader() { each "$members" leader | sed 's/.*://'; }
container() { "${compose[@]}" ps -q "node-$1"; }

wait_for "three members, one leader" well "$members"
in_load quorate --endpoints "$members" queue create jobs >/dev/null
in_load sh -c "echo $members >/tmp/members; touch /tmp/acknowledged /tmp/failed /tmp/pushed /tmp/jobs"
# Each put is a client of its own. The watch and the worker are clients that live as long as all of this.
in_background "exec quorate --endpoints $members watch load/ --prefix --keys-only >/tmp/events 2>/tmp/watch-errors"
in_background "exec quorate --endpoints $members run --queue jobs -- sh -c 'echo done >>/tmp/jobs' >/dev/null 2>/tmp/run-errors"
sleep 1
# shellcheck disable=SC2016  # they are the container's variables
in_background 'for ((n = 1; ; n++)); do
    [[ -e /tmp/stop ]] && break
    if quorate --endpoints $(cat /tmp/members) --timeout 10s put load/$n $n >/dev/null 2>>/tmp/errors; then echo $n >>/tmp/acknowledged
    else echo $n >>/tmp/failed; fi
    if ((n % 10 == 0)); then
        quorate --endpoints $(cat /tmp/members) --timeout 10s queue push jobs $n >/dev/null 2>>/tmp/errors || echo job $n >>/tmp/failed
        echo $n >>/tmp/pushed
    fi
done; touch /tmp/stopped'
goes_on "at the beginning"

# --- Disconnected -------------------------------------------------------------------------------------------------------

id=$(leader)
others=$(tr , '\n' <<<"$members" | grep -v "node-$id:" | paste -sd,)
another_leads() { [[ $(each "$others" leader) == '"leader":'[0-9]* && $(each "$others" leader) != "\"leader\":$id" ]]; }
docker network disconnect "$network" "$(container "$id")"
wait_for "member $id, which led, is disconnected: another leads" another_leads
goes_on "without it"
docker network connect --ip "172.30.1.1$id" --alias "node-$id" "$network" "$(container "$id")"
wait_for "member $id is connected again, and well" well "$members"

# --- Killed -------------------------------------------------------------------------------------------------------------

id=$(leader)
others=$(tr , '\n' <<<"$members" | grep -v "node-$id:" | paste -sd,)
docker kill --signal KILL "$(container "$id")" >/dev/null
wait_for "member $id, which led, is killed: another leads" another_leads
goes_on "without it"
docker start "$(docker ps -aq --filter "name=$project.node-$id.1")" >/dev/null
wait_for "member $id runs again, and is well" well "$members"

# --- Replaced -----------------------------------------------------------------------------------------------------------

"${compose[@]}" rm --force --stop node-3 >/dev/null 2>&1
docker volume rm "${project}_node-3" >/dev/null
goes_on "member 3 and its volume are gone"
"${compose[@]}" up -d --no-deps node-4 >/dev/null 2>&1
members=node-1:7401,node-2:7401,node-4:7401
replaced() { in_load quorate --endpoints node-1:7401,node-2:7401 --timeout 30s member replace 3 4 node-4:7501 >"$work/replace" 2>&1; }
wait_for "member 4 took the place of member 3" replaced
wait_for "members 1, 2 and 4 are well" well "$members"
in_load sh -c "echo $members >/tmp/members"
goes_on "with member 4"

# --- Certificates -------------------------------------------------------------------------------------------------------

if [[ ${TLS:-} ]]; then
    before=$(openssl x509 -noout -serial -in certs/member-1/peer.crt)
    ./certs.sh --renew >/dev/null
    [[ $(openssl x509 -noout -serial -in certs/member-1/peer.crt) != "$before" ]] || fail "the certificates were not renewed"
    goes_on "all certificates are new"
fi

# --- Upgraded -----------------------------------------------------------------------------------------------------------

wait_for "members 1, 2 and 4 are well" well "$members"
# The script for operators, with a command line that looks from inside the network.
cat >"$work/quorate" <<WRAPPER
#!/bin/sh
exec docker exec $project-load quorate "\$@"
WRAPPER
chmod +x "$work/quorate"
QUORATE_BIN=$work/quorate ../upgrade.sh --endpoints "$members" \
    --restart "QUORATE_IMAGE=quorate:next ${compose[*]} up -d --no-deps node-\$MEMBER_ID 2>/dev/null" || fail "the upgrade"
for id in 1 2 4; do
    [[ $(docker inspect -f '{{.Config.Image}}' "$(container "$id")") == quorate:next ]] || fail "member $id has the old image"
done
goes_on "all members have the new image"

# --- What is left -------------------------------------------------------------------------------------------------------

if [[ " ${services[*]} " == *" prometheus "* ]]; then
    # shellcheck disable=SC2016
    targets() {
        in_load bash -c 'exec 3<>/dev/tcp/prometheus/9090 && printf "GET /api/v1/query?query=up HTTP/1.0\r\n\r\n" >&3 && cat <&3' \
            | grep -o '"instance":"[^"]*","job":"quorate"},"value":\[[^]]*' | sed 's/"instance":"\([^"]*\)".*"\([01]\)"/\1 \2/'
    }
    scraped() { targets >/dev/null; }
    wait_for "Prometheus has scraped" scraped
    # Member 3 is gone, and 4 is not among the targets of the file.
    say "targets: $(targets | paste -sd';')"
fi

in_load touch /tmp/stop
wait_for "the load has stopped" in_load test -e /tmp/stopped
count=$(acknowledged)
failed=$(in_load sh -c 'wc -l </tmp/failed')
pushed=$(in_load sh -c 'wc -l </tmp/pushed')
((failed == 0)) || fail "$failed calls failed: $(in_load tail -3 /tmp/errors)"
all_done() { (($(in_load sh -c 'wc -l </tmp/jobs') >= pushed)); }
wait_for "the worker has done $pushed items" all_done
stored=$(in_load quorate --endpoints "$members" range load/ --prefix --keys-only --limit 100000 | grep -o '"key":"load/' | wc -l)
((stored >= count)) || fail "$count puts were acknowledged, and $stored are there"
watched() { (($(in_load sh -c 'grep -o "load/[0-9]*" /tmp/events | sort -u | wc -l') >= count)); }
wait_for "the watch was told all of them" watched
# An event a line, which may name its key more than once.
twice=$(in_load sh -c 'sed -n "s#.*\(load/[0-9]*\).*#\1#p" /tmp/events | sort | uniq -d | wc -l')
((twice == 0)) || fail "the watch was told $twice keys twice"
same() { [[ $(each "$members" state_hash | wc -l) -eq 1 ]]; }
wait_for "all members have the same state" same
for id in 1 2 4; do
    [[ $(docker inspect -f '{{.HostConfig.ReadonlyRootfs}} {{.Config.User}}' "$(container "$id")") == "true 65532:65532" ]] \
        || fail "member $id runs as root, or can write its image"
done
say "PASSED: $count puts and $pushed items, none failed, none lost, none twice"
