"""Judges requests by the document: openapi-core does, and what it does not look at is looked at here."""

import base64
import email.parser
import email.policy
import json
import warnings
from collections import namedtuple
from urllib.parse import parse_qsl, unquote, urlsplit

from jsonschema.exceptions import best_match
from jsonschema_path import SchemaPath
from openapi_core import V31RequestValidator
from openapi_core.datatypes import RequestParameters
from openapi_core.templating.datatypes import TemplateResult
from openapi_core.templating.paths.finders import APICallPathFinder
from werkzeug.datastructures import Headers, ImmutableMultiDict

# Deprecated parameters are sent too.
warnings.simplefilter("ignore", DeprecationWarning)

# `part` is where in the request, `place` the JSON path of the value there, `rule` the keyword that refused it.
Refusal = namedtuple("Refusal", "part place rule reason")


class Finder(APICallPathFinder):
    """Finds the operation by the path as it was sent, and remembers it; values are decoded after that."""

    found = None

    def find(self, method, name):
        self.found = None
        found = super().find(method, name)
        self.found = f"{method.upper()} {found.path_result.pattern}"
        values = {slot: unquote(value) for slot, value in (found.path_result.variables or {}).items()}
        return found._replace(path_result=TemplateResult(found.path_result.pattern, values))


class Request:
    """A request as openapi-core asks for it."""

    host_url = "https://api.mistral.ai"

    def __init__(self, line):
        url = urlsplit(line["target"])
        self.path = url.path
        self.query = parse_qsl(url.query, keep_blank_values=True, strict_parsing=bool(url.query))
        self.method = line["method"].lower()
        self.headers = Headers(line["headers"])
        self.content_type = self.headers.get("content-type", "")
        self.body = None if line["body"] is None else base64.b64decode(line["body"])
        self.parameters = RequestParameters(query=ImmutableMultiDict(self.query), header=self.headers, path={})


class Judge:
    def __init__(self, document):
        self.document = document
        self.validators = {}
        for stream, view in document.views.items():
            for item in view["paths"].values():
                for operation in item.values():
                    forms_as_json(operation)
            path = SchemaPath.from_dict(view)
            self.validators[stream] = V31RequestValidator(
                path, path_finder_cls=Finder, extra_media_type_deserializers={AS_JSON: json.loads}
            )

    def refusals(self, line):
        """Everything that the document has against a request: none, for a good one."""
        request = Request(line)
        validator = self.validators[line["stream"]]
        try:
            # The judge reads the types of a form's fields only where they stand in the schema itself.
            if request.content_type.startswith("multipart/form-data"):
                self.read_form(line, request)
            errors = list(validator.iter_errors(request))
        except Exception as error:  # noqa: BLE001 - what a judge cannot read is no good request
            return [Refusal("request", "$", type(error).__name__, str(error))]
        refusals = [refusal for error in errors for refusal in told(error)]
        found = validator.path_finder.found
        return refusals + (list(self.beyond(line, request, found)) if found else [])

    def beyond(self, line, request, found):
        """What openapi-core does not look at."""
        if found != line["operation"]:
            yield Refusal("path", "$", "operation", f"the document takes it for {found}")
            return
        operation = self.document.operation(line["operation"], line["stream"])
        declared = [one for one in operation.get("parameters", []) if one["in"] == "query"]
        # The members of a spread object have names of their own.
        spread = any("content" not in one and "object" in self.document.types(one["schema"]) for one in declared)
        for name in [] if spread else {name for name, _ in request.query}:
            if name not in {one["name"] for one in declared}:
                yield Refusal("query", name, "unknown", "the document has no such parameter")
        if request.body is not None and "requestBody" not in operation:
            yield Refusal("body", "$", "unknown", "the document has no body here")
        answers = [answer for status, answer in operation["responses"].items() if str(status).startswith("2")]
        offered = {media_type for answer in answers for media_type in answer.get("content", {})}
        wanted = {media_type.partition(";")[0].strip() for media_type in request.headers.get("accept", "*/*").split(",")}
        # Errors are JSON whatever the answer is.
        if offered and "*/*" not in wanted and not wanted & offered:
            yield Refusal("header", "accept", "offered", f"{sorted(wanted)} is none of {sorted(offered)}")

    def read_form(self, line, request):
        """Makes a form the JSON object that it says, its texts read by the types that the document gives them."""
        operation = self.document.operation(line["operation"], line["stream"])
        content = operation["requestBody"]["content"]
        if "multipart/form-data" not in content:
            raise ValueError("the document has no form here")
        members, _ = self.document.members(content["multipart/form-data"]["schema"])
        head = f"Content-Type: {request.content_type}\r\n\r\n".encode()
        form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
        values = {}
        for part in form.iter_parts():
            name = part.get_param("name", header="content-disposition")
            schema = members.get(name, {})
            types = self.document.types(schema)
            if part.get_filename() is not None:
                value = part.get_payload(decode=True).decode("latin-1")
            else:
                value = scalar(part.get_payload(decode=True).decode(), types)
            if "array" in types:
                values.setdefault(name, []).append(value)
            elif name in values:
                raise ValueError(f"{name} stands twice in the form")
            else:
                values[name] = value
        request.content_type, request.body = AS_JSON, json.dumps(values).encode()


# The media type under which the document's forms are judged, once they are read.
AS_JSON = "application/vnd.form+json"


def forms_as_json(operation):
    content = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in content:
        content[AS_JSON] = content["multipart/form-data"]


def scalar(text, types):
    """A text of a form as the value it stands for; itself where it stands for none."""
    if types & {"integer", "number", "boolean"}:
        try:
            return json.loads(text)
        except ValueError:
            pass
    return text


def told(error):
    """The refusals in an error of openapi-core, one for each value that the schema refused."""
    cause = error.__cause__ or error
    part = getattr(error, "location", None) or ("body" if "Body" in type(error).__name__ else "request")
    name = getattr(error, "name", None)
    found = getattr(cause, "schema_errors", None)
    if not found:
        return [Refusal(part, name or "$", type(cause).__name__, str(cause) or str(error))]
    refusals = []
    for one in found:
        place = one.json_path if name is None else name + one.json_path[1:]
        inner = best_match([one])
        refusals.append(Refusal(part, place, one.validator, inner.message))
    return refusals
