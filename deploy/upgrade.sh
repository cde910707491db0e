#!/usr/bin/env bash
# Restarts the members of a cluster one after the other, each only while all others are well: for a new version, new settings,
# or a machine that needs a reboot. Clients notice nothing.
#
#   deploy/upgrade.sh --endpoints A:7401,B:7401,C:7401 --restart COMMAND [--expect VERSION]
#
# COMMAND is run by sh for one member at a time, with MEMBER_ID, ENDPOINT and HOST (of the endpoint) set; it puts the new
# version in place and restarts the member. Examples:
#   deploy/local:  --restart 'deploy/local/member.sh restart $MEMBER_ID'
#   systemd:       --restart 'ssh $HOST "install -m 755 /tmp/quorate /usr/bin/quorate && systemctl restart quorate"'
#   compose:       --restart 'QUORATE_IMAGE=quorate:next docker compose up -d --no-deps node-$MEMBER_ID'
# VERSION, e.g. 0.2.0, is what each member must have afterwards.
#
# The leader comes last, so that leadership moves once. Exit codes: 0 done; 1 a check failed, and nothing was done after it;
# 2 wrong usage; 5 COMMAND failed. It can be run again: members that have VERSION already are left alone.
set -euo pipefail

readonly WAIT_SECONDS=${WAIT_SECONDS:-180}
# An election may be under way when it is begun.
readonly BEGIN_SECONDS=30
# Entries that a member may be behind and count as well: what a busy cluster writes between two questions.
readonly LAG_ENTRIES_MAX=1000
quorate=${QUORATE_BIN:-quorate}
endpoints=
restart=
expect=

fail() {
    echo "upgrade: $*" >&2
    exit 1
}

usage() {
    sed -n 's/^#   deploy\/upgrade.sh/usage: upgrade.sh/p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

while (($#)); do
    case $1 in
        --endpoints | --restart | --expect)
            (($# >= 2)) || usage
            printf -v "${1#--}" %s "$2"
            shift 2
            ;;
        *) usage ;;
    esac
done
[[ $endpoints && $restart ]] || usage
IFS=, read -r -a all <<<"$endpoints"

# One field of the status of one endpoint; a member that does not answer has none.
declare -A status
look() {
    local endpoint
    for endpoint in "${all[@]}"; do
        status[$endpoint]=$("$quorate" --endpoints "$endpoint" --timeout 3s status -o json 2>/dev/null) || status[$endpoint]=
    done
}
field() {
    sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p" <<<"${status[$1]}"
}

# Why the cluster is not well, or nothing.
trouble() {
    local endpoint leader="" newest=0 applied versions=""
    look
    for endpoint in "${all[@]}"; do
        [[ ${status[$endpoint]} ]] || { echo "$endpoint does not answer"; return; }
        grep -q '"alarms":\[\]' <<<"${status[$endpoint]}" || { echo "$endpoint has raised an alarm: see quorate status"; return; }
        applied=$(field "$endpoint" applied_index)
        ((applied > newest)) && newest=$applied
        [[ ${leader:=$(field "$endpoint" leader)} == "$(field "$endpoint" leader)" ]] || { echo "members name different leaders"; return; }
        versions+="$(field "$endpoint" version)"$'\n'
    done
    [[ $leader && $leader != null ]] || { echo "nobody leads"; return; }
    for endpoint in "${all[@]}"; do
        ((newest - $(field "$endpoint" applied_index) <= LAG_ENTRIES_MAX)) || { echo "$endpoint is behind"; return; }
    done
    skew "$versions"
}

# Versions that run side by side may be one minor apart: what is not known to the older one is not used until all know it.
skew() {
    local minors
    minors=$(awk -F. 'NF { print $1 * 1000 + $2 }' <<<"$1" | sort -n | sed -n '1p;$p' | paste -sd' ')
    read -r least most <<<"$minors"
    ((most - least <= 1)) || echo "versions are more than one minor apart: $(sort -u <<<"$1" | paste -sd' ')"
}

wait_until_well() {
    local deadline=$((SECONDS + WAIT_SECONDS)) reason
    while reason=$(trouble) && [[ $reason ]]; do
        ((SECONDS < deadline)) || fail "$1: $reason; what is done so far: $done_so_far"
        sleep 0.5
    done
    look
}

leader_endpoint() {
    local endpoint
    for endpoint in "${all[@]}"; do
        if [[ $(field "$endpoint" member) == "$(field "$endpoint" leader)" ]]; then
            echo "$endpoint"
        fi
    done
}

upgrade_one() {
    local endpoint=$1 id term tries
    wait_until_well "before $endpoint"
    id=$(field "$endpoint" member)
    if [[ $expect && $(field "$endpoint" version) == "$expect" ]]; then
        echo "member $id at $endpoint has version $expect already"
        return
    fi
    # A member hands its lead on when it is stopped, too. Before, there is time to see that another can take it.
    for ((tries = 0; tries < 3; tries++)); do
        [[ $(leader_endpoint) == "$endpoint" ]] || break
        "$quorate" --endpoints "$endpoints" member transfer >/dev/null || fail "member $id does not hand leadership on"
        wait_until_well "after the transfer"
    done
    [[ $(leader_endpoint) != "$endpoint" ]] || echo "member $id leads again after $tries transfers; it hands its lead on when it stops"
    term=$(field "$endpoint" term)
    echo "member $id at $endpoint: version $(field "$endpoint" version), restarting"
    MEMBER_ID=$id ENDPOINT=$endpoint HOST=${endpoint%:*} sh -c "$restart" || {
        echo "upgrade: the command failed for member $id; what is done so far: $done_so_far" >&2
        exit 5
    }
    wait_until_well "after the restart of member $id"
    [[ $(field "$endpoint" member) == "$id" ]] || fail "$endpoint is member $(field "$endpoint" member) now, and was $id"
    if [[ $expect && $(field "$endpoint" version) != "$expect" ]]; then
        fail "member $id has version $(field "$endpoint" version), not $expect: the new one was not put in place"
    fi
    done_so_far+=" $id"
    echo "member $id at $endpoint: version $(field "$endpoint" version), applied $(field "$endpoint" applied_index), term $term -> $(field "$endpoint" term)"
}

done_so_far="members"
# What passes within seconds, such as an election, is no reason not to begin.
deadline=$((SECONDS + BEGIN_SECONDS))
while reason=$(trouble) && [[ $reason ]]; do
    ((SECONDS < deadline)) || fail "not begun: $reason"
    sleep 0.5
done
# What `trouble` saw stayed in the shell that it ran in.
look

# With one member away a majority must be left; and every voter must be among the endpoints, or one could be away unseen.
voters=$("$quorate" --endpoints "$endpoints" member list -o json | grep -o '"role":"\(voter\|leader\)"' | wc -l)
((voters <= ${#all[@]})) || fail "not begun: $voters members vote, and --endpoints names ${#all[@]}"
((voters >= 3)) || fail "not begun: with $voters voters, a restart of one leaves no majority"

last=$(leader_endpoint)
for endpoint in "${all[@]}"; do
    [[ $endpoint == "$last" ]] || upgrade_one "$endpoint"
done
upgrade_one "$last"
echo "done: $done_so_far"
