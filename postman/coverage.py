"""Fails unless the Postman collection tries every operation of the OpenAPI document, each with success and, where a token
is wanted, refused.

Usage: coverage.py API.YAML COLLECTION.JSON
"""

import json
import re
import sys

import yaml


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation.get("security") != []


def requests(items):
    """Method, path and expected status of each request."""
    for item in items:
        if "item" in item:
            yield from requests(item["item"])
            continue
        script = "\n".join(line for event in item["event"] for line in event["script"]["exec"])
        status = re.search(r"to\.have\.status\((\d+)\)", script)
        if status is None:
            sys.exit(f"the request `{item['name']}` expects no status")
        yield item["request"]["method"], "/" + "/".join(item["request"]["url"]["path"]), int(status[1])


def is_of(path, template):
    """A segment of the template that holds a parameter stands for any but those that other paths have there."""
    pattern = re.sub(r"\\{\w+\\}", r"(?!(?:me|replay|discard)(?:/|$))[^/]+", re.escape(template))
    return re.fullmatch(pattern, path) is not None


def main():
    with open(sys.argv[1]) as document, open(sys.argv[2]) as collection:
        document, tried = yaml.safe_load(document), list(requests(json.load(collection)["item"]))
    missing = []
    for method, template, is_guarded in operations(document):
        statuses = [status for its, path, status in tried if its == method and is_of(path, template)]
        if not any(status < 400 for status in statuses):
            missing.append(f"{method} {template} with success")
        if is_guarded and not any(status >= 400 for status in statuses):
            missing.append(f"{method} {template} refused")
    if missing:
        sys.exit("the Postman collection does not try: " + "; ".join(missing))


main()
