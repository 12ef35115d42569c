"""Makes the Prometheus operator's resource of the alert rules that Prometheus itself is given.

    alert_rules.py containers/prometheus/rules/mymonit.yml > kubernetes/overlays/operators/alert-rules.yaml
"""

import sys

HEAD = """\
# Made by kubernetes/validation/alert_rules.py from {source}; change that one.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: mymonit
spec:
"""


def resource(source: str) -> str:
    with open(source, encoding="utf-8") as file:
        text = file.read()
    groups = text[text.index("groups:") :]
    indented = ("  " + line if line else line for line in groups.splitlines())
    return HEAD.format(source=source) + "\n".join(indented) + "\n"


if __name__ == "__main__":
    sys.stdout.write(resource(sys.argv[1]))
