"""The official OpenAPI document, read as what it means.

Nothing here knows the catalogue or its overrides: what the document says reaches the judge by a way of its own. It is
changed in three places only, each because the judge cannot read what is written there:

1. Numbers and words are read as YAML 1.2 (`1e+09` is a number, `no` a word), as OpenAPI 3.1 asks; PyYAML speaks 1.1.
2. A `#…` at the end of a path is not sent. It tells apart operations that share a path; of two with the same method
   one streams, so there are two views of the document: with the plain one and with the streaming one.
3. A parameter that may be null is read as one that may not. No text in a path, a query or a header is null, and the
   judge takes a list for a single value when null stands beside it.
"""

import re

import yaml

METHODS = ("get", "put", "post", "delete", "patch")


class Yaml12(yaml.CSafeLoader):
    """The core schema of YAML 1.2."""

    yaml_implicit_resolvers = {}


for name, pattern, first in [
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    ("int", r"^[-+]?[0-9]+$", list("-+0123456789")),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
]:
    Yaml12.add_implicit_resolver("tag:yaml.org,2002:" + name, re.compile(pattern), first)


class Document:
    """The document, once with the plain and once with the streaming operation where two share a path."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.raw = yaml.load(file, Yaml12)
        plain, streaming = {}, {}
        for key, item in self.raw["paths"].items():
            path, _, mark = key.partition("#")
            for method in METHODS:
                if method in item:
                    self._without_null(item[method])
                    into = streaming if mark == "stream" else plain
                    into.setdefault(path, {})[method] = item[method]
        # By method and path, and whether it is the streaming one of two.
        self.operations = {
            (f"{method.upper()} {path}", stream)
            for stream, paths in ((False, plain), (True, streaming))
            for path, item in paths.items()
            for method in item
        }
        merged = {path: {**item, **streaming.get(path, {})} for path, item in plain.items()}
        self.views = {False: {**self.raw, "paths": plain}, True: {**self.raw, "paths": merged}}

    def operation(self, signature, stream):
        """What the document says of `METHOD /path`."""
        method, path = signature.split(" ", 1)
        return self.views[stream]["paths"][path][method.lower()]

    def resolved(self, schema):
        """The schema that a reference stands for."""
        while "$ref" in schema:
            found = self.raw
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        return schema

    def types(self, schema):
        """The JSON types that a schema speaks of, in any of its branches."""
        schema = self.resolved(schema)
        types = schema.get("type", [])
        found = {types} if isinstance(types, str) else set(types)
        for keyword in ("anyOf", "oneOf", "allOf"):
            for branch in schema.get(keyword, []):
                found |= self.types(branch)
        return found

    def members(self, schema):
        """The declared members of an object, with their schemas, and the names of those that must be there."""
        schema = self.resolved(schema)
        members, required = dict(schema.get("properties", {})), set(schema.get("required", []))
        for branch in schema.get("allOf", []):
            more, needed = self.members(branch)
            members |= more
            required |= needed
        return members, required

    def _without_null(self, operation):
        for parameter in operation.get("parameters", []):
            schema = parameter.get("schema", {})
            if isinstance(schema.get("type"), list):
                schema["type"] = next(kind for kind in schema["type"] if kind != "null")
            branches = [branch for branch in schema.get("anyOf", []) if branch.get("type") != "null"]
            if len(branches) == 1:
                del schema["anyOf"]
                parameter["schema"] = {**schema, **self.resolved(branches[0])}
