#!/usr/bin/python3
"""Checks rendered documents against the types of Kubernetes' own client, and how they go together.

    fields.py < DOCUMENTS        needs python3-kubernetes and python3-yaml (Debian)

A field that Kubernetes does not know is dropped there without a word; here it is an error.
"""
import re
import sys

import kubernetes.client.models as models
import yaml

KINDS = {
    "ConfigMap": "V1ConfigMap",
    "NetworkPolicy": "V1NetworkPolicy",
    "PodDisruptionBudget": "V1PodDisruptionBudget",
    "Service": "V1Service",
    "StatefulSet": "V1StatefulSet",
}
# Of another project's, whose types are not at hand.
UNKNOWN_KINDS = {"ServiceMonitor"}
# Fields that are newer than the types at hand, with the version of Kubernetes that has them.
NEWER = {("V1StatefulSetSpec", "persistentVolumeClaimRetentionPolicy"): "1.23"}

problems = []


def check(value, kind, path):
    """`value` must have the shape of `kind`, as the client's types name it."""
    if kind.startswith("list["):
        if not isinstance(value, list):
            problems.append(f"{path}: a list is wanted, and it is {value!r}")
            return
        for index, item in enumerate(value):
            check(item, kind[5:-1], f"{path}[{index}]")
    elif kind.startswith("dict("):
        inner = kind[5:-1].split(", ")[1]
        for key, item in value.items():
            check(item, inner, f"{path}.{key}")
    elif kind == "object":
        pass
    elif kind == "str":
        if not isinstance(value, str):
            problems.append(f"{path}: text is wanted, and it is {value!r}")
    elif kind == "int":
        if not isinstance(value, int) or isinstance(value, bool):
            problems.append(f"{path}: a number is wanted, and it is {value!r}")
    elif kind == "bool":
        if not isinstance(value, bool):
            problems.append(f"{path}: true or false is wanted, and it is {value!r}")
    elif hasattr(models, kind):
        fields(value, getattr(models, kind), path)


def fields(value, model, path):
    if not isinstance(value, dict):
        problems.append(f"{path}: an object is wanted, and it is {value!r}")
        return
    names = {name: attribute for attribute, name in model.attribute_map.items()}
    for name, item in value.items():
        if name in names:
            check(item, model.openapi_types[names[name]], f"{path}.{name}")
        elif (model.__name__, name) not in NEWER:
            problems.append(f"{path}.{name}: Kubernetes knows no such field")
    # The constructors of the types refuse what lacks a field that must be there.
    known = {names[name]: item for name, item in value.items() if name in names}
    try:
        model(**known)
    except ValueError as error:
        problems.append(f"{path}: {error}")


def together(documents):
    """What one document says of another must be so."""
    by_kind = {}
    for document in documents:
        by_kind.setdefault(document["kind"], []).append(document)
    (members,) = by_kind["StatefulSet"]
    spec = members["spec"]
    pod = spec["template"]
    labels = pod["metadata"]["labels"].items()
    (container,) = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    volumes |= {claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]}
    services = {service["metadata"]["name"]: service for service in by_kind["Service"]}

    def must(holds, sentence):
        if not holds:
            problems.append(sentence)

    must(spec["selector"]["matchLabels"].items() <= labels, "the StatefulSet does not select its pods")
    must(spec["serviceName"] in services, "serviceName names no Service")
    must(services[spec["serviceName"]]["spec"].get("clusterIP") == "None", "the Service of the members is not headless")
    for name, service in services.items():
        must(service["spec"]["selector"].items() <= labels, f"{name} does not select the members")
        for port in service["spec"]["ports"]:
            must(port["targetPort"] in ports, f"{name}: no container port is called {port['targetPort']}")
    for budget in by_kind["PodDisruptionBudget"]:
        must(budget["spec"]["selector"]["matchLabels"].items() <= labels, "the disruption budget does not select the members")
        must(budget["spec"]["maxUnavailable"] <= (spec["replicas"] - 1) // 2 or spec["replicas"] < 3, "the disruption budget allows the loss of a majority")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        must(container[probe]["httpGet"]["port"] in ports, f"{probe}: no such port")
    for mount in container["volumeMounts"]:
        must(mount["name"] in volumes, f"no volume is called {mount['name']}")
    (config,) = by_kind["ConfigMap"]
    founders = re.findall(r"\d+=([^:,.]+)\.([^:,.]+)\.[^:,]+:", config["data"]["start"])
    for index, (name, domain) in enumerate(founders):
        must(name == f"{members['metadata']['name']}-{index}", f"founder {index} is called {name}")
        must(domain == spec["serviceName"], f"founder {index} is looked for in {domain}")


documents = [document for document in yaml.safe_load_all(sys.stdin) if document]
for document in documents:
    kind, name = document["kind"], document["metadata"]["name"]
    if kind in KINDS:
        fields(document, getattr(models, KINDS[kind]), f"{kind} {name}")
    elif kind not in UNKNOWN_KINDS:
        problems.append(f"{kind} {name}: what is that")
together(documents)
for problem in problems:
    print(problem, file=sys.stderr)
print(f"{len(documents)} documents, {len(problems)} problems")
sys.exit(1 if problems else 0)
