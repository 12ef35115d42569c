#!/usr/bin/env python3
"""Checks what holds for every container of the stack, in the files as Docker Compose resolves them (as JSON, arguments: the
stack, the stack for development). Called by check-configuration.sh."""

import json
import sys

GIB = 1024**3
# Their images write into folders of their own at start.
WRITE_INTO_THEIR_IMAGE = {
    "elasticsearch", "elasticsearch-setup", "logstash", "kibana", "kibana-setup", "filebeat",
}
# What §11 of the specification lets in from outside; the evaluation mode only from this machine.
PUBLISHED = {("nginx", 8443, None), ("nginx", 8080, None), ("rabbit", 5671, None),
             ("evaluation", 5000, "127.0.0.1"), ("evaluation-rabbit", 5672, "127.0.0.1")}
failures = []


def holds(fact, condition, seen=""):
    if not condition:
        failures.append(f"{fact} {seen}")


def check_service(name, service):
    user = service.get("user", "")
    holds(f"{name} has a user that is not root", user and user.split(":")[0] not in ("0", "root"), user)
    holds(f"{name} has no capabilities", service.get("cap_drop") == ["ALL"] and not service.get("cap_add"))
    holds(f"{name} can get no privileges", service.get("security_opt") == ["no-new-privileges:true"]
          and not service.get("privileged"))
    holds(f"{name} has a read-only file system", service.get("read_only") or name in WRITE_INTO_THEIR_IMAGE)
    holds(f"{name} has a memory limit", int(service.get("mem_limit", 0)) > 0)
    holds(f"{name} says when it starts again", "restart" in service)
    holds(f"{name} shares nothing with the host", not any(
        service.get(key) for key in ("network_mode", "pid", "ipc", "devices")))
    holds(f"{name} has an image with a version", not service["image"].endswith(":latest")
          or service["image"].startswith("mymonit/"), service["image"])
    for mount in service.get("volumes", []):
        holds(f"{name} gets files of the host for reading only", mount["type"] == "volume" or mount.get("read_only"), mount)
        holds(f"{name} does not get the engine's socket", "docker" not in str(mount.get("source")), mount)
    for variable, value in (service.get("environment") or {}).items():
        secret = any(word in variable for word in ("PASSWORD", "SECRET", "TOKEN"))
        holds(f"{name} gets {variable} from a file", not secret or str(value).startswith("/run/secrets/"))
    one_shot = service.get("restart") == "no"
    holds(f"{name} has a health check", one_shot or "healthcheck" in service or name == "grafana")
    if "metrics" not in service.get("profiles", []) and not one_shot:
        holds(f"{name} keeps its log small", service["logging"]["options"].get("max-size"))


def check_stack(stack):
    services = stack["services"]
    for name, service in services.items():
        check_service(name, service)
    published = {(name, port["target"], port.get("host_ip")) for name, service in services.items()
                 for port in service.get("ports", [])}
    holds("only these are published", published == PUBLISHED, published)
    always = [service for service in services.values() if not service.get("profiles") and service["restart"] != "no"]
    total = sum(int(service["mem_limit"]) for service in always)
    holds("the whole stack fits 6 GiB", total <= 6 * GIB, f"{total / GIB:.2f} GiB")
    outside = {name for name, network in stack["networks"].items() if not network.get("internal")}
    on = {name: outside & set(services[name]["networks"]) for name in services}
    holds("only who has to be is on a network that leads outside", {name for name in on if on[name]} ==
          {"app", "nginx", "rabbit", "evaluation", "evaluation-rabbit"}, on)
    holds("the service believes the addresses of its own network with nginx only", services["app"]["environment"]
          ["REST_TRUSTED_PROXIES"] == stack["networks"]["front"]["ipam"]["config"][0]["subnet"] and
          {name for name in services if "front" in services[name]["networks"]} == {"app", "nginx"})


def check_development(stack):
    for name, service in stack["services"].items():
        for port in service.get("ports", []):
            holds(f"{name}:{port['target']} is published on this machine only", (name, port["target"], None) in PUBLISHED
                  or port.get("host_ip") == "127.0.0.1")


for path, check in zip(sys.argv[1:], [check_stack, check_development], strict=True):
    with open(path, encoding="utf-8") as file:
        check(json.load(file))
for failure in failures:
    print(f"check-stack: it should hold that {failure}", file=sys.stderr)
sys.exit(bool(failures))
