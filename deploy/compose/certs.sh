#!/bin/sh
# Certificates for deploy/compose, in deploy/compose/certs: of four members (the fourth takes the place of one that is lost), and of a
# client. `certs.sh --renew` makes new ones with the same authorities; members take them up by themselves.
#
# QUORATE_BIN is the binary that makes them, on this machine. The keys of the authorities (*-ca.key) sign whatever the cluster
# trusts: for more than a trial they belong elsewhere.
set -eu
cd "$(dirname "$0")"

quorate=${QUORATE_BIN:-quorate}
renew=${1:-}
[ -r certs/peer-ca.key ] || "$quorate" certs init certs
for id in 1 2 3 4; do
    # By name in the network, by loopback from this machine.
    "$quorate" certs node certs --member "$id" --host "node-$id,localhost,127.0.0.1" ${renew:+"$renew"} >/dev/null
done
"$quorate" certs client certs --name client ${renew:+"$renew"}
# Keys are readable by their owner alone, and that is who runs in the containers.
if [ "$(id -u)" -eq 0 ]; then
    chown -R 65532:65532 certs/member-* certs/client-*
else
    echo "certs.sh: not root: give certs/member-* to the user 65532, who runs in the containers" >&2
fi
