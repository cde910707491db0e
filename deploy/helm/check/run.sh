#!/usr/bin/env bash
# Checks the chart without a cluster: it is rendered with several values, each result is held against the types of Kubernetes, and
# what the pods start is run with a command in the place of the server that prints its settings.
#
# With Helm where it is installed; else with Go and Debian's packages golang-github-masterminds-sprig-dev and
# golang-k8s-sigs-yaml-dev. Needs python3-kubernetes and python3-jsonschema (Debian). QUORATE_BIN names a server binary.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if command -v helm >/dev/null 2>&1; then
    render() { helm template quorate ../quorate --namespace store "${@/#/--values=}"; }
else
    echo "Helm is not installed: render.go does what this chart needs of it"
    GO111MODULE=off GOPATH=/usr/share/gocode go build -o "$work/render" render.go
    render() { "$work/render" ../quorate "$@" 2>/dev/null; }
fi

fits() {
    /usr/bin/python3 - ../quorate/values.schema.json ../quorate/values.yaml "$@" <<'PYTHON'
import json, sys, jsonschema, yaml
def over(base, above):
    for key, value in above.items():
        base[key] = over(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
    return base
schema = json.load(open(sys.argv[1]))
values = {}
for path in sys.argv[2:]:
    values = over(values, yaml.safe_load(open(path)))
try:
    jsonschema.validate(values, schema)
except jsonschema.ValidationError as error:
    sys.exit(f"{'.'.join(map(str, error.path))}: {error.message}")
PYTHON
}

# What a pod of this number would run, as settings that are in force.
settings_of() {
    /usr/bin/python3 -c '
import sys, yaml
data = next(d for d in yaml.safe_load_all(open(sys.argv[1])) if d and d["kind"] == "ConfigMap")["data"]
for name, text in data.items():
    open(f"{sys.argv[2]}/{name}", "w").write(text)
' "$1" "$work"
    sed -e "s#/etc/quorate/settings#$work/settings#" -e "s#exec /usr/bin/quorate server#exec $2#" "$work/start" >"$work/run"
    shellcheck --shell=bash "$work/run"
    HOSTNAME=quorate-$3 bash "$work/run"
}

echo "memberIds: [1, 2, 6]
config: { raft: { heartbeat_ms: 60, election_min_ms: 200, election_max_ms: 400 }, log: { level: debug } }" >"$work/replaced.yaml"
echo "memberIds: [1, 2, 3, 4, 5]
tls: { enabled: true }
serviceMonitor: { enabled: true, labels: { release: prometheus } }
persistence: { storageClass: fast, size: 100Gi }
antiAffinity: { nodes: soft, zones: none }
networkPolicy: { clientsFrom: [{ namespaceSelector: { matchLabels: { team: a } } }] }
podLabels: { team: a }
podAnnotations: { note: text }
service: { annotations: { note: text } }
nodeSelector: { disk: ssd }
tolerations: [{ key: store, operator: Exists }]
pullSecrets: [{ name: registry }]
priorityClassName: high" >"$work/five.yaml"
echo "memberIds: [1, 1, 2]" >"$work/twice.yaml"
echo "persistance: { size: 1Gi }" >"$work/misspelt.yaml"

for values in "" "$work/replaced.yaml" "$work/five.yaml"; do
    echo "== ${values:-defaults}" | sed "s#$work/##"
    fits ${values:+"$values"}
    render ${values:+"$values"} >"$work/documents.yaml"
    ./fields.py <"$work/documents.yaml"
    for ordinal in 0 2; do
        settings_of "$work/documents.yaml" echo "$ordinal"
        if [[ -n ${QUORATE_BIN:-} ]]; then
            settings_of "$work/documents.yaml" "$QUORATE_BIN config print" "$ordinal" >/dev/null
        fi
    done
done
for values in twice misspelt; do
    if fits "$work/$values.yaml"; then
        echo "$values.yaml was not refused" >&2
        exit 1
    fi
done
echo "the chart is as it should be"
