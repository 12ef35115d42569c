#!/usr/bin/env python3
"""Checks the rules for the containers, in the resolved Compose files and in this folder.

    check-stack.py STACK.json DEVELOPMENT.json EVERYTHING.json      called by check-configuration.sh
"""

import json
import pathlib
import re
import sys

MIB = 1024**2
GIB = 1024 * MIB
CONTAINERS = pathlib.Path(__file__).resolve().parent
# Their images write into their own folders at start.
WRITABLE_IMAGES = {
    "elasticsearch", "elasticsearch-setup", "logstash", "kibana", "kibana-setup", "filebeat",
}
# Service, port in the container, address of the host. Evaluation mode is for this machine only.
PUBLISHED = {("nginx", 8443, None), ("nginx", 8080, None), ("nginx", 5601, None), ("rabbit", 5671, None),
             ("evaluation", 5000, "127.0.0.1"), ("evaluation-rabbit", 5672, "127.0.0.1")}
# Below these the image is killed at start, or under load.
MIN_MEMORY = {"elasticsearch": 2 * GIB, "kibana": 2 * GIB, "logstash": GIB, "grafana": 768 * MIB}
failures = []


def holds(fact, condition, seen=""):
    if not condition:
        failures.append(f"{fact} {seen}")


def text(name):
    return (CONTAINERS / name).read_text(encoding="utf-8")


def ports(stack):
    return {(name, port["target"], port.get("host_ip")) for name, service in stack["services"].items()
            for port in service.get("ports", [])}


def check_service(name, service, outside):
    user = service.get("user", "")
    environment = service.get("environment") or {}
    holds(f"{name} has a user that is not root", user and user.split(":")[0] not in ("0", "root"), user)
    holds(f"{name} has no capabilities", service.get("cap_drop") == ["ALL"] and not service.get("cap_add"))
    holds(f"{name} can get no privileges", service.get("security_opt") == ["no-new-privileges:true"]
          and not service.get("privileged"))
    holds(f"{name} has a read-only file system", service.get("read_only") or name in WRITABLE_IMAGES)
    limit = int(service.get("mem_limit", 0))
    holds(f"{name} has a memory limit of at least {MIN_MEMORY.get(name, 1) // MIB} MiB", limit >= MIN_MEMORY.get(name, 1), limit)
    holds(f"{name} says when it starts again", "restart" in service)
    holds(f"{name} shares nothing with the host", not any(
        service.get(key) for key in ("network_mode", "pid", "ipc", "devices")))
    holds(f"{name} has an image with a version", not service["image"].endswith(":latest")
          or service["image"].startswith("mymonit/"), service["image"])
    for mount in service.get("volumes", []):
        holds(f"{name} mounts files of the host read-only", mount["type"] == "volume" or mount.get("read_only"), mount)
        holds(f"{name} labels files of the host for SELinux", mount["type"] == "volume"
              or mount.get("bind", {}).get("selinux") == "z", mount)
        holds(f"{name} does not get the engine's socket", "docker.sock" not in str(mount.get("source")), mount)
    for variable, value in environment.items():
        secret = any(word in variable for word in ("PASSWORD", "SECRET", "TOKEN")) and not variable.endswith("_DAYS")
        holds(f"{name} gets {variable} from a file", not secret or str(value).startswith("/run/secrets/"))
    one_shot = service.get("restart") == "no"
    holds(f"{name} has a health check", one_shot or "healthcheck" in service)
    if "metrics" not in service.get("profiles", []) and not one_shot:
        holds(f"{name} limits its log", service["logging"]["options"].get("max-size"))
    if "outside" in service["networks"]:
        holds(f"{name} connects through a proxy, with further authorities", {"HTTPS_PROXY", "NO_PROXY", "SSL_CERT_DIR"} <= environment.keys()
              and any(secret["source"] == "outgoing_authorities" for secret in service["secrets"]))
    return bool(outside & set(service["networks"]))


def check_stack(stack):
    services = stack["services"]
    outside = {name for name, network in stack["networks"].items() if not network.get("internal")}
    reaches_out = {name for name, service in services.items() if check_service(name, service, outside)}
    holds("only these are published", ports(stack) == PUBLISHED, ports(stack))
    always = [service for service in services.values() if not service.get("profiles") and service["restart"] != "no"]
    total = sum(int(service["mem_limit"]) for service in always)
    holds("the whole stack fits 8 GiB, with half a GiB for the system", total <= 7.5 * GIB, f"{total / GIB:.2f} GiB")
    holds("only these are on a network that leads outside", reaches_out ==
          {"app", "nginx", "rabbit", "alertmanager", "evaluation", "evaluation-rabbit"}, reaches_out)
    holds("the service trusts the addresses of its network with nginx only", services["app"]["environment"]
          ["REST_TRUSTED_PROXIES"] == stack["networks"]["front"]["ipam"]["config"][0]["subnet"] and
          {name for name in services if "front" in services[name]["networks"]} == {"app", "nginx"})
    check_elastic(services)
    check_database(services)
    evaluation = services["evaluation"]
    temporary = re.search(r"SQLITE_TMPDIR=(\S+)", text("app/Dockerfile"))
    holds("SQLite may write temporary files", temporary and volume_of(evaluation, temporary[1] + "/x") == "evaluation-data", temporary)
    check_nginx()
    check_alerting(services)
    check_grafana(services)


def volume_of(service, path):
    """The volume that holds a path of a container, and where it is mounted."""
    mounts = [mount for mount in service["volumes"] if mount["type"] == "volume" and path.startswith(mount["target"] + "/")]
    return max(((mount["target"], mount["source"]) for mount in mounts), default=("", ""))[1]


def check_elastic(services):
    search, kibana = services["elasticsearch"], services["kibana"]
    heap = int(re.search(r"-Xmx(\d+)g", search["environment"]["ES_JAVA_OPTS"])[1]) * GIB
    holds("Elasticsearch has twice its heap", int(search["mem_limit"]) >= 2 * heap)
    holds("the health check of Elasticsearch uses its password", "/mymonit/healthy.sh" in search["healthcheck"]["test"])
    holds("Kibana's heap follows its memory limit", "NODE_OPTIONS" not in kibana["environment"])
    holds("Logstash's direct memory is limited", "-XX:MaxDirectMemorySize=" in services["logstash"]["environment"]["LS_JAVA_OPTS"])
    versions = {services[name]["image"].split(":")[-1] for name in WRITABLE_IMAGES}
    holds("Elastic's containers have one version", len(versions) == 1, versions)
    holds("only the set-up has the superuser's password beside Elasticsearch", {name for name, service in services.items() if any(
        secret["source"] == "elastic_password" for secret in service.get("secrets", []))} == {"elasticsearch", "elasticsearch-setup"})
    holds("Kibana is at the root of its origin and knows its address", "server.publicBaseUrl: ${KIBANA_PUBLIC_URL}" in text("kibana/kibana.yml")
          and "basePath" not in text("kibana/kibana.yml"))
    location = json.loads(text("elasticsearch/repositories/mymonit.json"))["settings"]["location"]
    policy = json.loads(text("elasticsearch/snapshots/mymonit-audit.json"))
    holds("snapshots of the audit events are taken", policy["config"]["indices"] == ["logs-mymonit.audit-*"]
          and f'path.repo: ["{location}"]' in text("elasticsearch/elasticsearch.yml"))
    holds("snapshots have a volume of their own", volume_of(search, location) not in
          ("", volume_of(search, "/usr/share/elasticsearch/data/x")), volume_of(search, location))
    pipeline, app = text("logstash/pipeline/mymonit.conf"), services["app"]
    inputs = pipeline[:pipeline.index("filter {")]
    holds("every input of Logstash wants a client's certificate", inputs.count("port =>") == 2 == inputs.count("ssl_enabled => true")
          == inputs.count('ssl_client_authentication => "required"'))
    holds("the service and Filebeat know Logstash by its authority, and show a certificate",
          app["environment"]["LOGSTASH_CA_FILE"] == "/run/secrets/logstash_authority"
          and app["environment"]["LOGSTASH_CLIENT_IDENTITY_FILE"] == "/run/secrets/logstash_client"
          and "certificate_authorities: [/run/secrets/logstash_authority]" in text("filebeat/filebeat.yml")
          and all({"logstash_authority", "logstash_client"} <= {secret["source"] for secret in services[name]["secrets"]} for name in ("app", "filebeat")))
    holds("Logstash has its certificate", {"logstash_authority", "logstash_certificate", "logstash_key"} <= {secret["source"] for secret in services["logstash"]["secrets"]})
    holds("indices have a replica where there are several nodes", "auto_expand_replicas" in text("elasticsearch/components/mymonit-fields.json"))
    holds("queries of requests are not shipped", "replace: { fields: [{ field: message" in text("filebeat/filebeat.yml"))


def check_database(services):
    configuration, database = text("mysql/mymonit.cnf"), services["mysql"]
    binary_log = re.search(r"^log-bin = (\S+)", configuration, re.MULTILINE)[1]
    holds("the binary log has a volume of its own", volume_of(database, binary_log) not in
          ("", volume_of(database, "/var/lib/mysql/x")), binary_log)
    holds("no log holds the values of statements", "slow-query-log = OFF" in configuration and "slow.log" not in text("filebeat/filebeat.yml"))
    service = services["app"]
    holds("the service verifies the database server", service["environment"]["DB_SSL_MODE"] == "VERIFY_IDENTITY"
          and {secret["source"] for secret in service["secrets"]} >= {"mysql_authority"}
          and service["environment"]["DB_SSL_CA"] == "/run/secrets/mysql_authority")
    holds("the database server has its certificate", {secret["source"] for secret in database["secrets"]} >= {"mysql_certificate", "mysql_key"}
          and {"ssl-cert = /run/secrets/mysql_certificate", "ssl-key = /run/secrets/mysql_key"} <= set(configuration.splitlines()))
    accounts = text("mysql/accounts.sh")
    holds("the service signs in by TLS only", all(f"ALTER USER {name}@'%' REQUIRE SSL;" in accounts for name in ("mymonit", "migration")))
    holds("the service's account reads and writes rows only", re.findall(r"GRANT (.*) ON my_monit[.][*] TO mymonit@", accounts) == ["SELECT, INSERT, UPDATE, DELETE"])
    migration = services["migration"]
    holds("another account changes the schema, before the service starts", migration["environment"]["DB_USER"] == "migration"
          and migration["command"] == ["migrate"] and migration["environment"]["DB_SSL_MODE"] == "VERIFY_IDENTITY"
          and service["environment"]["DB_USER"] == "mymonit"
          and service["depends_on"]["migration"]["condition"] == "service_completed_successfully")
    holds("only the migration has its password beside the server", {name for name, one in services.items() if any(
        secret["source"] == "mysql_migration_password" for secret in one.get("secrets", []))} == {"mysql", "migration"})
    holds("the dump has its position in the binary log", "source-data = 2" in configuration and "REPLICATION CLIENT" in text("mysql/accounts.sh"))


def check_nginx():
    configuration = text("nginx/nginx.conf")
    for redirect in re.findall(r"return 30\d ([^;]+);", configuration):
        holds("nginx redirects to the published port", redirect.startswith("https://$host$https_port"), redirect)
    for location in re.findall(r"location [^{]*\{[^}]*\}", configuration):
        holds("no location of nginx drops the inherited headers", "proxy_set_header" not in location, location)
    for server in configuration.split("\n    server {")[1:]:
        if "proxy_pass" in server:
            holds("every server of nginx overwrites the client's address", "proxy_set_header X-Forwarded-For $remote_addr;" in server)
    holds("nginx takes its name server from the container", "resolver " not in configuration.replace("(`resolver`)", "")
          and "include /tmp/settings.conf;" in configuration)
    workers = re.search(r"^worker_processes (\d+);", configuration, re.MULTILINE)
    holds("nginx has a fixed number of workers", workers)
    holds("Kibana has an origin of its own", "/kibana/" not in configuration and "listen 5601 ssl" in configuration)
    holds("the access log is JSON whatever the status", '"http.response.status_code":$response_status' in configuration)


def check_alerting(services):
    target = re.search(r"alertmanagers:\n\s+- static_configs:\n\s+- targets: \[(\S+):9093\]", text("prometheus/prometheus.yml"))
    holds("Prometheus sends alerts to Alertmanager", target and target[1] in services)
    receivers = {secret["source"] for secret in services["alertmanager"]["secrets"]}
    holds("Alertmanager gets its receivers' secrets as files", {"alert_smtp_password", "alert_webhook_url"} <= receivers, receivers)


def check_grafana(services):
    datasource = text("grafana/provisioning/datasources/measures.yml")
    holds("only Grafana and the service share the network of the readings", {name for name in services if "readings" in services[name]["networks"]} == {"app", "grafana"})
    holds("only Grafana has the API token", {name for name, service in services.items() if any(
        secret["source"] == "grafana_api_token" for secret in service.get("secrets", []))} == {"grafana"})
    holds("Grafana takes the API token from its file and gives it to the service alone", "$__file{/run/secrets/grafana_api_token}" in datasource
          and 'allowedHosts: ["http://app:5000"]' in datasource)
    sources = set(re.findall(r"^    uid: (\S+)$", datasource + text("grafana/provisioning/datasources/prometheus.yml"), re.MULTILINE))
    for dashboard in sorted((CONTAINERS / "grafana/dashboards").glob("*.json")):
        used = set(re.findall(r'"uid": "(mymonit-(?:prometheus|measures))"', json.dumps(json.loads(dashboard.read_text(encoding="utf-8"))["panels"])))
        holds(f"the data sources of {dashboard.name} are provisioned", used and used <= sources, used)


def check_development(stack):
    for name, port, address in ports(stack):
        holds(f"{name}:{port} is published on this machine only", (name, port, address) in PUBLISHED or address == "127.0.0.1")


def check_everything(stack):
    for name, port, address in ports(stack):
        holds(f"with --everything {name}:{port} is published on this machine only", address == "127.0.0.1", address)
    environment = stack["services"]["app"]["environment"]
    holds("with --everything the service signs in by itself, on MySQL", environment["EVALUATION"] == "true"
          and not environment["FIREBASE_PROJECT_ID"] and environment["DB_HOST"] == "mysql")


for path, check in zip(sys.argv[1:], [check_stack, check_development, check_everything], strict=True):
    with open(path, encoding="utf-8") as file:
        check(json.load(file))
for failure in failures:
    print(f"check-stack: does not hold: {failure}", file=sys.stderr)
sys.exit(bool(failures))
