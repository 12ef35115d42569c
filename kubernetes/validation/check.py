"""Checks rendered manifests without a cluster.

    check.py FOLDER_OF_NODE_MODULES RENDERED.yaml…

Each resource is validated against the schema of its kind, which allows no unknown fields:
Kubernetes' own (kubernetes-validate), the types of KEDA, the Prometheus operator, Elastic and the
Gateway API (@kubernetes-models, by TypeScript's compiler), and schemas.json for the rest. A kind
without a schema is an error. Every resource is also validated with an unknown field, which must be
refused. Further checks: references, secrets, hardening, and consistency with the container stack.
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

import generated

# The minimum version of Kubernetes: in 1.34 the lifecycle hook `sleep` is stable.
KUBERNETES = "1.34"
ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = {
    "keda.sh": "keda",
    "monitoring.coreos.com": "prometheus-operator",
    "elasticsearch.k8s.elastic.co": "elastic-cloud",
    "kibana.k8s.elastic.co": "elastic-cloud",
    "logstash.k8s.elastic.co": "elastic-cloud",
    "gateway.networking.k8s.io": "gateway-api",
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
    """The resource with an unknown field: in its specification, where it has one."""
    broken = copy.deepcopy(resource)
    (broken["spec"] if "spec" in broken else broken)[UNKNOWN] = True
    return broken


# --- shapes
# ----------------------------------------------------------------------------------------------


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
            found, tried = f"no schema of {schema}", UNKNOWN
        ensure(found is None, f"{name_of(resource)}: {found}")
        ensure(tried, f"{name_of(resource)}: an unknown field is accepted")
    found = refusals_of_types(typed, modules)
    tried = refusals_of_types([misspelt(resource) for resource in typed], modules)
    for resource, why, trial in zip(typed, found, tried, strict=True):
        ensure(why is None, f"{name_of(resource)}: {why}")
        ensure(trial and UNKNOWN in trial, f"{name_of(resource)}: an unknown field is accepted")


# --- rules beyond the schemas
# ----------------------------------------------------------------------------------------------


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
        if kind == "HTTPRoute":
            check_route(what, spec, resources, names)
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


def check_route(what: str, spec: dict, resources: list[dict], names: set) -> None:
    listeners = {
        (one["metadata"]["name"], listener["name"]): listener
        for one in resources if one["kind"] == "Gateway" for listener in one["spec"]["listeners"]
    }
    for parent in spec["parentRefs"]:
        listener = listeners.get((parent["name"], parent["sectionName"]))
        ensure(listener, f"{what}: no listener {parent}")
        ensure(listener and spec["hostnames"] == [listener["hostname"]], f"{what} is for another host than its listener")
        for rule in spec["rules"]:
            redirects = any(one["type"] == "RequestRedirect" for one in rule.get("filters", []))
            ensure(redirects or (listener and listener["protocol"] == "HTTPS"), f"{what} serves without TLS")
            for backend in rule.get("backendRefs", []):
                ensure(("Service", backend["name"]) in names, f"{what}: no service {backend['name']}")


def spec_of(resource: dict) -> dict:
    return resource.get("spec", {})


def known_variables() -> set[str]:
    """The variables in the table of docs/reference.md."""
    text = (ROOT / "docs/reference.md").read_text(encoding="utf-8").split("## Configuration")[1].split("\n## ")[0]
    first_columns = (line.split("|")[1] for line in text.splitlines() if line.startswith("| `"))
    return {name for column in first_columns for name in re.findall(r"`([A-Z_]+)`", column)}


def check_pod(what: str, pod: dict, names: set) -> None:
    spec = pod["spec"]
    ensure(spec["automountServiceAccountToken"] is False, f"{what} gets a token of Kubernetes")
    ensure(("ServiceAccount", spec["serviceAccountName"]) in names, f"{what}: no such service account")
    security = spec["securityContext"]
    ensure(security["runAsNonRoot"] is True, f"{what} may run as root")
    ensure(security["seccompProfile"]["type"] == "RuntimeDefault", f"{what}: no seccomp profile")
    volumes = {volume["name"] for volume in spec.get("volumes", [])}
    for container in spec.get("initContainers", []) + spec["containers"]:
        if container["image"].startswith("mymonit/app:"):
            dockerfile = (ROOT / "containers/app/Dockerfile").read_text(encoding="utf-8")
            user = re.search(r"^USER (\d+)", dockerfile, re.MULTILINE)
            ensure(user and int(user[1]) == security["runAsUser"], f"{what} runs as another user than the image's")
        locked = container["securityContext"]
        ensure(locked["readOnlyRootFilesystem"] is True, f"{what}: the file system can be written to")
        ensure(locked["allowPrivilegeEscalation"] is False, f"{what} may gain privileges")
        ensure(locked["capabilities"] == {"drop": ["ALL"]}, f"{what} has capabilities")
        ensure(re.search(r":\d+\.\d+\.\d+$", container["image"]), f"{what}: {container['image']} has no version")
        ensure("memory" in container["resources"]["limits"], f"{what}: memory has no limit")
        ensure({"cpu", "memory"} <= container["resources"]["requests"].keys(), f"{what} requests nothing")
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        ensure(mounted == volumes, f"{what}: volumes {volumes}, mounted {mounted}")
        for source in container.get("envFrom", []):
            reference = ("ConfigMap", source["configMapRef"]["name"])
            ensure(reference in names, f"{what}: there is no {reference}")


def check_configuration(resources: list[dict]) -> None:
    known = known_variables()
    ensure("LISTENERS" in known, "the table of variables in docs/reference.md is not found")
    for resource in resources:
        what = name_of(resource)
        ensure(resource["kind"] != "Secret", f"{what}: secrets are referred to, and stand in no file")
        if resource["kind"] == "ConfigMap" and resource["metadata"]["name"].startswith("mymonit-") and "DB_HOST" in resource["data"]:
            ensure(resource["data"].get("REST_TRUSTED_PROXIES"), f"{what}: audit events would name the gateway (REST_TRUSTED_PROXIES)")
            for variable in resource["data"]:
                ensure(variable in known, f"{what}: {variable} is no variable of the service")
                ensure(not re.search("PASSWORD|SECRET|TOKEN", variable), f"{what}: {variable} is a secret")
        if resource["kind"] in ("Deployment", "Job"):
            for container in pod_of(resource)["spec"]["containers"]:
                if not container["image"].startswith("mymonit/app:"):
                    continue
                account = [one["valueFrom"]["secretKeyRef"]["name"] for one in container["env"] if one["name"] == "DB_USER"]
                migrates = container.get("args") == ["migrate"]
                ensure(account == ["mymonit-database" + ("-migration" if migrates else "")], f"{what} has the database account {account}")
                ensure(any(one["name"] == "DB_SSL_CA" for one in container.get("env", [])), f"{what} does not verify the database server")
                for variable in container.get("env", []):
                    ensure(variable["name"] in known, f"{what}: {variable['name']} is no variable of the service")
                    is_secret = re.search("PASSWORD|USER", variable["name"])
                    ensure(not is_secret or "valueFrom" in variable, f"{what}: {variable['name']} stands in the file")


def check_generated() -> None:
    for name, make in generated.FILES.items():
        ensure((generated.OVERLAY / name).read_text(encoding="utf-8") == make(), f"{name} is not up to date: run generated.py")
    routes = yaml.safe_load((ROOT / "containers/alertmanager/alertmanager.yml").read_text(encoding="utf-8"))
    config = yaml.safe_load((generated.OVERLAY / "alertmanager.yaml").read_text(encoding="utf-8"))["spec"]

    def matchers(rules: list[dict], key: str) -> list[str]:
        return [one["name"] + one.get("matchType", "=") + json.dumps(one["value"]) for rule in rules for one in rule[key]]

    for side in ("source", "target"):
        wanted = [one for rule in routes["inhibit_rules"] for one in rule[f"{side}_matchers"]]
        ensure(matchers(config["inhibitRules"], f"{side}Match") == wanted, "alertmanager.yaml holds back other alerts than the container stack")
    # The authority's file is at the path that the operator's program reads.
    patch = yaml.safe_load((ROOT / "kubernetes/topology-operator.yaml").read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    mount = patch["containers"][0]["volumeMounts"][0]
    ensure(mount["mountPath"].startswith("/etc/ssl/certs/") and mount["subPath"] == "ca.crt", "topology-operator.yaml mounts no authority")


def check_operators(resources: list[dict]) -> None:
    """What the container stack has, too: versions, backups, a Logstash that knows its clients."""
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    images = dict(re.findall(r"\$\{(\w+)_IMAGE:-([^}]+)\}", compose))
    for resource in resources:
        what, spec = name_of(resource), spec_of(resource)
        if resource["apiVersion"].split("/")[0].endswith("k8s.elastic.co"):
            version = images[resource["kind"].upper()].split(":")[-1]
            ensure(spec["version"] == version, f"{what} is not of version {version}, as in docker-compose.yml")
        if resource["kind"] == "RabbitmqCluster":
            ensure(spec["image"] == images["RABBIT"], f"{what} is not {images['RABBIT']}, as in docker-compose.yml")
            ensure("disk_free_limit.absolute" in spec["rabbitmq"]["additionalConfig"], f"{what}: the operator overrides a relative limit of the disk")
        if resource["kind"] == "Permission":
            ensure(re.search(spec["permissions"]["write"], "amq.default"), f"{what}: the service cannot reply to publishers")
        if resource["kind"] == "InnoDBCluster":
            ensure(f"mysql:{spec['version']}" == images["MYSQL"], f"{what} is not {images['MYSQL']}, as in docker-compose.yml")
            ensure(any(one["enabled"] for one in spec.get("backupSchedules", [])), f"{what} has no backups")
        if resource["kind"] == "Job":
            for container in pod_of(resource)["spec"].get("initContainers", []):
                ensure(container["image"] == images["ELASTICSEARCH"], f"{what} is not {images['ELASTICSEARCH']}")
        if resource["kind"] == "Logstash":
            policies = [one["spec"] for one in resources if one["kind"] == "NetworkPolicy"]
            selector = {"logstash.k8s.elastic.co/name": resource["metadata"]["name"]}
            pipeline = spec["pipelines"][0]["config.string"]
            ensure(all(text in pipeline for text in ("ssl_enabled => true", 'ssl_client_authentication => "required"')), f"{what} takes lines without TLS from any client")
            ensure("/run/secrets" not in pipeline, f"{what} names files of the container stack")
            ensure(any("Ingress" in one["policyTypes"] and one["podSelector"]["matchLabels"] == selector for one in policies),
                   f"{what} has no network policy")


def main() -> None:
    modules = pathlib.Path(sys.argv[1]).resolve()
    for rendered in sys.argv[2:]:
        with open(rendered, encoding="utf-8") as file:
            resources = [resource for resource in yaml.safe_load_all(file) if resource]
        before = len(failures)
        check_shapes(resources, modules)
        check_references(resources)
        check_configuration(resources)
        check_operators(resources)
        print(f"{pathlib.Path(rendered).stem}: {len(resources)} resources, {len(failures) - before} failures")
    check_generated()
    for failure in failures:
        print(failure, file=sys.stderr)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
