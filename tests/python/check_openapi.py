"""Holds a running server against its own OpenAPI document.

usage: check_openapi.py URL FOLDER [PATHS]

The document is fetched from the server, examined by openapi-spec-validator, and given to
schemathesis, which calls every operation with data that fits and data that does not, and
looks whether the answers are the ones that are described. FOLDER holds the data folder of a
server that runs with --dev, whose made-up keys are used, and takes the files that schemathesis
needs. PATHS is a regular expression of the addresses that are tried [all]. RULERUN_API_TOKEN is
the server's token, if it has one. Prints what schemathesis prints; ends with 0 when nothing
differs.
"""

import json
import os
import pathlib
import subprocess
import sys
import urllib.request

from openapi_spec_validator import validate

HERE = pathlib.Path(__file__).parent
# Few and always the same: a test, not a search. It is meant to be raised by hand.
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "2")
SEED = "20251201"


def fetch(url, data=None):
    headers = {"Content-Type": "application/json"}
    if token := os.environ.get("RULERUN_API_TOKEN"):
        headers["Authorization"] = f"Bearer {token}"
    body = None if data is None else json.dumps(data).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, headers)) as answer:
        return json.load(answer)


def strict(schema):
    """The same schema without fields that it does not name: what an answer holds beyond its
    description is a gap in the description."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: strict(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        told.setdefault("additionalProperties", False)
    return told


def strict_answers(document):
    """The document with strict answers; what is sent may hold more, as it says."""
    schemas = document["components"]["schemas"]
    for name in schemas:
        if not name.startswith(("payload.", "event.", "record.")):
            schemas[name] = strict(schemas[name])
    for _, _, operation in operations(document):
        for answer in operation["responses"].values():
            for content in answer.get("content", {}).values():
                content["schema"] = strict(content["schema"])
    return document


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def secrets(folder):
    path = folder / "data" / "dev-secrets.env"
    text = path.read_text() if path.exists() else ""
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")


def with_keys(document, known):
    """The document with the keys in the addresses, as those see it who may call: that nobody
    can tell a wrong key from a wrong address is tested elsewhere."""
    paths = {}
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                name = parameter["description"].split()[-1].rstrip(".")
                if parameter["name"] == "key" and parameter["in"] == "path":
                    path = path.replace("{key}", known[name])
                    operation["parameters"].remove(parameter)
                elif parameter["name"] == "email":
                    parameter["example"] = "customer@example.com"
        paths[path] = methods
    document["paths"] = paths
    return document


def without_twins(document):
    """Two of the addresses that differ only by the name of an event or a record: the others
    are answered by the same lines."""
    names = {"events": [], "records": []}
    kept = {}
    for path, told in document["paths"].items():
        family, _, rest = path.removeprefix("/api/v1/").partition("/")
        known = names.get(family, [])
        name = rest.split("/")[0]
        if family in names and name not in known and len(known) < 2:
            known.append(name)
        if family not in names or name in known:
            kept[path] = told
    document["paths"] = kept
    return document


# What a schema cannot say of data that is well formed.
UNEXPRESSED = [
    ("PATCH", "^/api/v1/records/", "whether a part of a record is enough depends on the rest"),
    ("GET", "^/api/v1/queue/stats$", "filters need `by`"),
    ("POST", "^/api/v1/queue/retry$", "one filter at least is needed"),
    ("GET", "^/api/v1/schedule$", "`from` must not be later than `to`"),
    ("GET", "^/api/v1/executions", "`flowId` may name another namespace than `namespace`"),
    ("POST", "^/api/v1/test/trigger-webhook$", "the event's rules may need a field"),
]


def with_guards(document):
    """Endpoints that a `require` may refuse, whatever fits their schema."""
    answers = document["components"]["responses"]
    for path, method, operation in operations(document):
        answer = operation["responses"].get("422", {})
        answer = answers[answer["$ref"].split("/")[-1]] if "$ref" in answer else answer
        if "(needs `" in answer.get("description", ""):
            yield method.upper(), f"^{path}$", "a guard may refuse it"


def configuration(document):
    # One caller with all rights has nobody's things kept from it.
    lines = [f"seed = {SEED}", "[checks]", "object_level_authorization.enabled = false"]
    for method, path, why in [*UNEXPRESSED, *with_guards(document)]:
        lines += ["[[operations]]", f"# {why}", f"include-path-regex = '{path}'"]
        lines += [f"include-method = '{method}'"]
        lines += ["checks.positive_data_acceptance.enabled = false"]
    return "\n".join(lines) + "\n"


def seed_data(url, document):
    """One call of every endpoint without a signature, so that there is something to read."""
    for path, method, operation in operations(document):
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        if method == "post" and "example" in body and not operation.get("security"):
            fetch(url + path, body["example"])


def main():
    url, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    document = fetch(f"{url}/api/v1/openapi.json")
    validate(document)
    known = secrets(folder)
    document = with_keys(strict_answers(document), known)
    seed_data(url, document)
    document = without_twins(document)
    (folder / "openapi.json").write_text(json.dumps(document))
    (folder / "schemathesis.toml").write_text(configuration(document))
    command = [
        sys.executable, "-m", "schemathesis.cli",
        "--config-file", str(folder / "schemathesis.toml"),
        "run", str(folder / "openapi.json"), "--url", url,
        "--max-examples", EXAMPLES, "--seed", SEED, "--generation-deterministic",
        "--generation-allow-x00", "false",
        "--generation-with-security-parameters", "false",
        "--continue-on-failure", "--no-shrink", "--no-color",
        "--suppress-health-check", "all", "--request-timeout", "10",
    ]
    if len(sys.argv) > 3:
        command += ["--include-path-regex", sys.argv[3]]
    if token := os.environ.get("RULERUN_API_TOKEN"):
        command += ["--header", f"Authorization: Bearer {token}"]
    environment = dict(os.environ, PYTHONPATH=str(HERE), SCHEMATHESIS_HOOKS="openapi_hooks")
    environment["OPENAPI_SECRETS"] = json.dumps(known)
    sys.exit(subprocess.run(command, env=environment, cwd=folder, check=False).returncode)


if __name__ == "__main__":
    main()
