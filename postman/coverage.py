"""Fails unless the Postman collection covers every operation of the OpenAPI document.

Each operation needs a successful request and, if it requires a token, a refused one.

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
    """A parameter matches any segment except the literal ones of other paths at that position."""
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
