"""Makes the manifests of overlays/operators that follow from files of the container stack.

    generated.py        writes them; check.py checks that they are up to date
"""

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
OVERLAY = ROOT / "kubernetes/overlays/operators"
HEAD = "# Made by kubernetes/validation/generated.py from {source}; change that one.\n"


def indented(text: str, by: int) -> str:
    return "".join(" " * by + line + "\n" if line else "\n" for line in text.splitlines())


def alert_rules() -> str:
    """The rules as a PrometheusRule. AlertmanagerConfig gets only alerts that name the namespace."""
    source = "containers/prometheus/rules/mymonit.yml"
    text = (ROOT / source).read_text(encoding="utf-8")
    groups = text[text.index("groups:") :].replace("labels: {severity:", "labels: {namespace: mymonit, severity:")
    head = "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: mymonit\nspec:\n"
    return HEAD.format(source=source) + head + indented(groups, 2)


def elastic_files() -> str:
    """The set-up scripts and files as a ConfigMap. Its keys have no folders: FOLDER.NAME.json."""
    folder = ROOT / "containers/elasticsearch"
    files = {name: folder / name for name in ("request.sh", "setup.sh")}
    for kind in ("policies", "components", "templates", "roles", "snapshots"):
        files |= {f"{kind}.{file.name}": file for file in sorted((folder / kind).glob("*.json"))}
    files |= {"kibana-setup.sh": ROOT / "containers/kibana/setup.sh", "saved-objects.ndjson": ROOT / "containers/kibana/saved-objects.ndjson"}
    head = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: mymonit-elastic-files\ndata:\n"
    data = (f"  {key}: |\n{indented(file.read_text(encoding='utf-8'), 4)}" for key, file in files.items())
    return HEAD.format(source="containers/elasticsearch and containers/kibana") + head + "".join(data)


def logstash() -> str:
    """Logstash with the stack's pipeline, but no Filebeat input and the operator's output."""
    source = "containers/logstash/pipeline/mymonit.conf"
    pipeline = (ROOT / source).read_text(encoding="utf-8")
    pipeline = pipeline[pipeline.index("input {") :]
    beats = pipeline[pipeline.index("  beats {") : pipeline.index("}\n\nfilter")]
    secrets = "/etc/mymonit/logstash"
    for part, by in {
        beats: "",
        '"/run/secrets/logstash_certificate"': f'"{secrets}/tls.crt"',
        '"/run/secrets/logstash_key"': f'"{secrets}/tls.key"',
        '"/run/secrets/logstash_authority"': f'"{secrets}/ca.crt"',
        '    hosts => ["http://elasticsearch:9200"]\n    user => "logstash_writer"\n    password => "${LOGSTASH_PASSWORD}"\n':
            '    hosts => ["${LOGS_ES_HOSTS}"]\n    user => "${LOGS_ES_USER}"\n    password => "${LOGS_ES_PASSWORD}"\n'
            '    ssl_certificate_authorities => "${LOGS_ES_SSL_CERTIFICATE_AUTHORITY}"\n',
    }.items():
        pipeline = pipeline.replace(part, by, 1)
        assert part not in pipeline, part
    template = (ROOT / "kubernetes/validation/logstash.yaml").read_text(encoding="utf-8")
    return HEAD.format(source=f"kubernetes/validation/logstash.yaml and {source}") + template.replace(
        "        PIPELINE\n", indented(pipeline, 8)
    )


FILES = {"alert-rules.yaml": alert_rules, "elastic-files.yaml": elastic_files, "logstash.yaml": logstash}

if __name__ == "__main__":
    for name, make in FILES.items():
        (OVERLAY / name).write_text(make(), encoding="utf-8")
