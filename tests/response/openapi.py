"""Validates real answers against our OpenAPI 3.0 document and against Swagger 2.0 documents."""
import copy
import json
import re

import jsonschema


def _translate(node):
    """OpenAPI's nullable and Swagger's x-nullable in the words of JSON Schema draft 4."""
    if isinstance(node, list):
        return [_translate(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _translate(value) for key, value in node.items()}
    if out.pop("nullable", False) or out.pop("x-nullable", False):
        if isinstance(out.get("type"), str):
            out["type"] = [out["type"], "null"]
            if "enum" in out:
                out["enum"] = out["enum"] + [None]
    if "x-oneOf" in out:
        out["anyOf"] = out.pop("x-oneOf")
        out.pop("type", None)
    properties = out.get("properties")
    if isinstance(properties, dict):
        for name in [n for n in properties if n.startswith("schema.core.AnythingSchema")]:
            del properties[name]
            out["additionalProperties"] = True
    return out


class Document:
    def __init__(self, path):
        self.raw = json.loads(open(path, encoding="utf-8").read())
        self.doc = _translate(copy.deepcopy(self.raw))
        self.patterns = [(re.compile("^" + re.sub(r"\{[^}]+\}", "[^/]+", re.sub(r"[.]", r"\\.", p)) + "$"), p)
                         for p in self.raw["paths"]]
        # Fixed addresses before those with free parts.
        self.patterns.sort(key=lambda item: item[1].count("{"))

    def path_of(self, target):
        target = target.split("?")[0]
        for pattern, path in self.patterns:
            if pattern.match(target):
                return path
        return None

    def operations(self):
        return [(method.upper(), path) for path, methods in self.raw["paths"].items() for method in methods]

    def response_schema(self, method, path, status):
        """The schema, or None when the answer has no body; KeyError when the status is not described."""
        responses = self.doc["paths"][path][method.lower()]["responses"]
        response = responses[str(status)] if str(status) in responses or status >= 500 else responses["default"]
        if "$ref" in response:
            response = self._resolve(response["$ref"])
        if "content" in response:
            content = response["content"]
            return content.get("application/json", next(iter(content.values())))["schema"]
        return response.get("schema")

    def _resolve(self, reference):
        node = self.doc
        for part in reference[2:].split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        return node

    def check(self, method, target, status, body):
        """Raises AssertionError when the answer is not as described."""
        path = self.path_of(target)
        assert path is not None, f"{target} is not described"
        assert method.lower() in self.doc["paths"][path], f"{method} {path} is not described"
        try:
            schema = self.response_schema(method, path, status)
        except KeyError:
            raise AssertionError(f"{method} {path}: status {status} is not described; body: {body}") from None
        if schema is None:
            assert body in ("", None), f"{method} {path}: {status} has a body: {body}"
            return
        resolver = jsonschema.RefResolver(base_uri="", referrer=self.doc)
        checker = jsonschema.FormatChecker()
        validator = jsonschema.Draft4Validator(schema, resolver=resolver, format_checker=checker)
        errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message[:300]}" for e in validator.iter_errors(body)]
        assert not errors, f"{method} {path} {status}: " + "; ".join(errors[:5])
