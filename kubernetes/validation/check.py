"""Checks rendered manifests without a cluster.

    check.py FOLDER_OF_NODE_MODULES RENDERED.yaml…

Each resource is held against the schema of its kind, with no field that the schema does not know: those of Kubernetes itself
(kubernetes-validate), the types of KEDA, of the Prometheus operator and of Elastic (@kubernetes-models, by TypeScript's compiler),
and schemas.json for the rest. A kind without a schema is an error. To see that this refuses anything at all, every resource is
tried once more with a field that nobody knows. Then come the things that no schema tells: what refers to what, that no secret
stands anywhere, and that the pods are as locked up as their image allows.
"""

import copy
import json
import pathlib
import re
import subprocess
import sys

import jsonschema
import kubernetes_validate
import yaml

from alert_rules import resource as alert_rules

# The least version of Kubernetes: 1.34 is the first in which waiting before the stop (`sleep`) is there for good.
KUBERNETES = "1.34"
ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = "containers/prometheus/rules/mymonit.yml"
MODELS = {
    "keda.sh": "keda",
    "monitoring.coreos.com": "prometheus-operator",
    "elasticsearch.k8s.elastic.co": "elastic-cloud",
    "kibana.k8s.elastic.co": "elastic-cloud",
    "logstash.k8s.elastic.co": "elastic-cloud",
}
UNKNOWN = "aFieldThatNobodyKnows"
SCHEMAS = json.loads((pathlib.Path(__file__).parent / "schemas.json").read_text(encoding="utf-8"))

failures: list[str] = []


def name_of(resource: dict) -> str:
    return f"{resource['kind']} {resource['metadata']['name']}"


def ensure(fact: object, what: str) -> None:
    if not fact:
        failures.append(what)


def misspelt(resource: dict) -> dict:
    """The resource with a field that nobody knows: in its specification, where it has one."""
    broken = copy.deepcopy(resource)
    (broken["spec"] if "spec" in broken else broken)[UNKNOWN] = True
    return broken


# --- shapes ------------------------------------------------------------------------------------------------------------


def refusal_of_kubernetes(resource: dict) -> str | None:
    try:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error.message)
    return None


def refusal_of_schema(resource: dict, schema: str) -> str | None:
    top = {
        "$defs": SCHEMAS["$defs"],
        "type": "object",
        "required": ["metadata", "spec"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {},
            "kind": {},
            "metadata": {"$ref": "#/$defs/metadata"},
            "spec": {"$ref": "#/$defs/" + schema.replace("/", "~1")},
        },
    }
    error = jsonschema.exceptions.best_match(jsonschema.Draft202012Validator(top).iter_errors(resource))
    return error and f"{error.json_path}: {error.message}"


def refusals_of_types(resources: list[dict], modules: pathlib.Path) -> list[str | None]:
    """What TypeScript says of each resource, written as a literal of its type."""
    lines = []
    for number, resource in enumerate(resources):
        group = resource["apiVersion"].split("/")[0]
        module = f"@kubernetes-models/{MODELS[group]}/{resource['apiVersion']}/{resource['kind']}"
        lines.append(
            f"import type {{ I{resource['kind']} as T{number} }} from {json.dumps(module)};"
            f" export const r{number}: T{number} = {json.dumps(resource)};"
        )
    source = modules.parent / "resources.ts"
    source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    options = "--noEmit --strict --skipLibCheck --pretty false --module nodenext --moduleResolution nodenext"
    compiler = modules / ".bin" / "tsc"
    done = subprocess.run(
        [compiler, *options.split(), source.name], cwd=source.parent, capture_output=True, text=True, check=False
    )
    found: list[str | None] = [None] * len(resources)
    for line in done.stdout.splitlines():
        match = re.match(r"resources\.ts\((\d+),\d+\): error (.*)", line)
        if match:
            found[int(match[1]) - 1] = match[2]
    if done.returncode != 0 and not any(found):
        raise SystemExit(f"the compiler failed: {done.stdout}{done.stderr}")
    return found


def check_shapes(resources: list[dict], modules: pathlib.Path) -> None:
    typed = []
    for resource in resources:
        group = resource["apiVersion"].split("/")[0] if "/" in resource["apiVersion"] else ""
        schema = f"{resource['apiVersion']}/{resource['kind']}"
        if group in MODELS:
            typed.append(resource)
            continue
        if schema in SCHEMAS["$defs"]:
            found, tried = (refusal_of_schema(one, schema) for one in (resource, misspelt(resource)))
        elif group == "" or "." not in group or group.endswith(".k8s.io"):
            found, tried = (refusal_of_kubernetes(one) for one in (resource, misspelt(resource)))
        else:
            found, tried = f"there is no schema of {schema}", UNKNOWN
        ensure(found is None, f"{name_of(resource)}: {found}")
        ensure(tried, f"{name_of(resource)}: a field that nobody knows is accepted")
    found = refusals_of_types(typed, modules)
    tried = refusals_of_types([misspelt(resource) for resource in typed], modules)
    for resource, why, trial in zip(typed, found, tried, strict=True):
        ensure(why is None, f"{name_of(resource)}: {why}")
        ensure(trial and UNKNOWN in trial, f"{name_of(resource)}: a field that nobody knows is accepted")


# --- what no schema tells ----------------------------------------------------------------------------------------------


def pod_of(resource: dict) -> dict:
    return resource["spec"]["template"]


def selects(selector: dict, labels: dict) -> bool:
    return selector.items() <= labels.items()


def check_references(resources: list[dict]) -> None:
    names = {(resource["kind"], resource["metadata"]["name"]) for resource in resources}
    pods = [pod_of(resource) for resource in resources if resource["kind"] in ("Deployment", "Job")]
    labels = [pod["metadata"]["labels"] for pod in pods]
    ports = {port["name"] for pod in pods for one in pod["spec"]["containers"] for port in one.get("ports", [])}
    for resource in resources:
        kind, spec = resource["kind"], resource.get("spec", {})
        what = name_of(resource)
        ensure(kind == "Namespace" or resource["metadata"].get("namespace") == "mymonit", f"{what}: no namespace")
        if kind == "Service":
            ensure(any(selects(spec["selector"], one) for one in labels), f"{what} selects no pod")
            ensure(all(port["targetPort"] in ports for port in spec["ports"]), f"{what} names a port of no pod")
        if kind == "PodDisruptionBudget":
            ensure(any(selects(spec["selector"]["matchLabels"], one) for one in labels), f"{what} selects no pod")
        if kind == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            ensure((target["kind"], target["name"]) in names, f"{what} scales nothing")
        if kind == "ScaledObject":
            ensure(("Deployment", spec["scaleTargetRef"]["name"]) in names, f"{what} scales nothing")
            for trigger in spec["triggers"]:
                reference = ("TriggerAuthentication", trigger["authenticationRef"]["name"])
                ensure(reference in names, f"{what}: there is no {reference}")
        if kind == "Ingress":
            hosts = {host for tls in spec["tls"] for host in tls["hosts"]}
            for rule in spec["rules"]:
                ensure(rule["host"] in hosts, f"{what} serves {rule['host']} without TLS")
                for path in rule["http"]["paths"]:
                    service = path["backend"]["service"]["name"]
                    ensure(("Service", service) in names, f"{what}: there is no service {service}")
        if "rabbitmqClusterReference" in spec:
            ensure(("RabbitmqCluster", spec["rabbitmqClusterReference"]["name"]) in names, f"{what}: no cluster")
        if kind == "NetworkPolicy" and spec["podSelector"]["matchLabels"].get("app.kubernetes.io/name") == "mymonit":
            ensure(any(selects(spec["podSelector"]["matchLabels"], one) for one in labels), f"{what} selects no pod")
    scaled = [spec_of(one)["scaleTargetRef"]["name"] for one in resources if "scaleTargetRef" in spec_of(one)]
    deployments = [name for kind, name in names if kind == "Deployment"]
    ensure(sorted(scaled) == sorted(deployments), f"each deployment has one autoscaler: {scaled}")
    for resource in resources:
        if resource["kind"] in ("Deployment", "Job"):
            check_pod(name_of(resource), pod_of(resource), names)


def spec_of(resource: dict) -> dict:
    return resource.get("spec", {})


def known_variables() -> set[str]:
    """The variables of the README's table."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").split("## Configuration")[1].split("\n## ")[0]
    first_columns = (line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    return {name for column in first_columns for name in re.findall(r"`([A-Z_]+)`", column)}


def check_pod(what: str, pod: dict, names: set) -> None:
    spec = pod["spec"]
    ensure(spec["automountServiceAccountToken"] is False, f"{what} gets a token of Kubernetes")
    ensure(("ServiceAccount", spec["serviceAccountName"]) in names, f"{what}: no such service account")
    security = spec["securityContext"]
    ensure(security["runAsNonRoot"] is True, f"{what} may run as root")
    ensure(security["seccompProfile"]["type"] == "RuntimeDefault", f"{what}: no seccomp profile")
    dockerfile = ROOT / "containers" / "app" / "Dockerfile"
    if dockerfile.exists():
        user = re.search(r"^USER (\d+)", dockerfile.read_text(encoding="utf-8"), re.MULTILINE)
        ensure(user and int(user[1]) == security["runAsUser"], f"{what} runs as another user than the image's")
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    for container in spec["containers"]:
        locked = container["securityContext"]
        ensure(locked["readOnlyRootFilesystem"] is True, f"{what}: the file system can be written to")
        ensure(locked["allowPrivilegeEscalation"] is False, f"{what} may gain privileges")
        ensure(locked["capabilities"] == {"drop": ["ALL"]}, f"{what} has capabilities")
        ensure(re.search(r":\d+\.\d+\.\d+$", container["image"]), f"{what}: {container['image']} has no version")
        ensure("memory" in container["resources"]["limits"], f"{what}: memory has no limit")
        ensure({"cpu", "memory"} <= container["resources"]["requests"].keys(), f"{what} requests nothing")
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        ensure(mounted == volumes, f"{what}: volumes {volumes}, mounted {mounted}")
        for source in container["envFrom"]:
            reference = ("ConfigMap", source["configMapRef"]["name"])
            ensure(reference in names, f"{what}: there is no {reference}")


def check_configuration(resources: list[dict]) -> None:
    known = known_variables()
    ensure("LISTENERS" in known, "the README's table of variables is not found")
    for resource in resources:
        what = name_of(resource)
        ensure(resource["kind"] != "Secret", f"{what}: secrets are referred to, and stand in no file")
        if resource["kind"] == "ConfigMap" and resource["metadata"]["name"].startswith("mymonit-") and "DB_HOST" in resource["data"]:
            for variable in resource["data"]:
                ensure(variable in known, f"{what}: {variable} is no variable of the service")
                ensure(not re.search("PASSWORD|SECRET|TOKEN", variable), f"{what}: {variable} is a secret")
        if resource["kind"] in ("Deployment", "Job"):
            for container in pod_of(resource)["spec"]["containers"]:
                for variable in container.get("env", []):
                    ensure(variable["name"] in known, f"{what}: {variable['name']} is no variable of the service")
                    is_secret = re.search("PASSWORD|USER", variable["name"])
                    ensure(not is_secret or "valueFrom" in variable, f"{what}: {variable['name']} stands in the file")


def check_alert_rules(resources: list[dict]) -> None:
    rules = [resource for resource in resources if resource["kind"] == "PrometheusRule"]
    wanted = yaml.safe_load(alert_rules(str(ROOT / RULES)))["spec"]
    for resource in rules:
        ensure(resource["spec"] == wanted, f"{name_of(resource)} is not what {RULES} says: run alert_rules.py again")


def main() -> None:
    modules = pathlib.Path(sys.argv[1]).resolve()
    for rendered in sys.argv[2:]:
        with open(rendered, encoding="utf-8") as file:
            resources = [resource for resource in yaml.safe_load_all(file) if resource]
        before = len(failures)
        check_shapes(resources, modules)
        check_references(resources)
        check_configuration(resources)
        check_alert_rules(resources)
        print(f"{pathlib.Path(rendered).stem}: {len(resources)} resources, {len(failures) - before} failures")
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
