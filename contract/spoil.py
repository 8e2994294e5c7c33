"""Requests made wrong on purpose, to see that the judge refuses them."""

import base64
import json
from urllib.parse import parse_qsl, urlencode

# What is of another type than the name says.
OTHER = {"string": {}, "integer": "text", "number": "text", "boolean": "text", "array": "text", "object": "text"}


def spoiled(document, requests):
    """Each way to spoil a request, with the request spoiled that way; from the first example of each kind."""
    for line in requests:
        if line["seed"] != 0 or line["kind"] == "odd":
            continue
        operation = document.operation(line["operation"], line["stream"])
        for spoil in (no_credential, another_path, query, body, form, media_type):
            for how, what, changed in spoil(document, operation, line):
                yield how, {**line, **changed, "spoiled": what}


def no_credential(document, operation, line):
    kept = [header for header in line["headers"] if header[0] not in ("authorization", "x-api-key")]
    yield "without a credential", "", {"headers": kept}


def another_path(document, operation, line):
    path, mark, query = line["target"].partition("?")
    yield "to a path that is not there", "", {"target": path + "/nowhere/at/all" + mark + query}


def query(document, operation, line):
    path, _, text = line["target"].partition("?")
    pairs = parse_qsl(text, keep_blank_values=True)
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        if parameter["in"] != "query" or name not in dict(pairs):
            continue
        others = [pair for pair in pairs if pair[0] != name]
        if parameter.get("required"):
            yield "without a required parameter", name, {"target": path + "?" + urlencode(others)}
        types = document.types(parameter.get("schema", {}))
        if types and types <= {"integer", "number", "boolean"}:
            target = path + "?" + urlencode([*others, (name, "text")])
            yield "with a text for a number", name, {"target": target}
    if not any("object" in document.types(one.get("schema", {})) for one in operation.get("parameters", [])):
        target = path + "?" + urlencode([*pairs, ("wholly_unknown", "1")])
        yield "with an unknown parameter", "", {"target": target}


def body(document, operation, line):
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None or line["body"] is None:
        return
    payload = json.loads(base64.b64decode(line["body"]))
    if not isinstance(payload, dict):
        return
    members, required = document.members(content["schema"])

    def sent(payload):
        return {"body": base64.b64encode(json.dumps(payload).encode()).decode()}

    for name in sorted(required & payload.keys()):
        less = {key: value for key, value in payload.items() if key != name}
        yield "without a required member", name, sent(less)
    for name, schema in members.items():
        # Of a union it is not said here which value fits none of its branches.
        declared = document.resolved(schema).get("type")
        if name in payload and declared in OTHER:
            yield "with a member of another type", name, sent({**payload, name: OTHER[declared]})


def form(document, operation, line):
    content = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data")
    if content is None or line["body"] is None:
        return
    sent = base64.b64decode(line["body"])
    members, required = document.members(content["schema"])
    for name in sorted(required):
        renamed = sent.replace(b'name="%s"' % name.encode(), b'name="another"')
        yield "without a required field of a form", name, {"body": base64.b64encode(renamed).decode()}
    for name, schema in members.items():
        if document.types(schema) & {"integer", "number", "boolean"} and b'name="%s"' % name.encode() in sent:
            head = b'name="%s"\r\n\r\n' % name.encode()
            wrong = sent.replace(head, head + b"text")
            yield "with a field of another type in a form", name, {"body": base64.b64encode(wrong).decode()}


def media_type(document, operation, line):
    if line["body"] is not None:
        headers = [["content-type", "text/csv"] if header[0] == "content-type" else header for header in line["headers"]]
        yield "with a body of another media type", "", {"headers": headers}
