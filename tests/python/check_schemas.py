"""Holds payloads against the JSON Schemas that we print, with a foreign checker.

Standard input: a JSON list of `{"name", "schema", "payload", "fits"}`, `fits` being our own
answer. Prints a line for each schema that is none, each payload that fits and is refused, and
each that does not fit and is taken.
"""

import json
import sys

from jsonschema import Draft202012Validator, FormatChecker


def complaint(case):
    schema, payload = case["schema"], case["payload"]
    Draft202012Validator.check_schema(schema)
    checker = Draft202012Validator(schema, format_checker=FormatChecker())
    refused = next(checker.iter_errors(payload), None)
    if case["fits"] and refused is not None:
        return f"refused, and we take it: {refused.message}"
    if not case["fits"] and refused is None:
        return "taken, and we refuse it"
    return None


for case in json.load(sys.stdin):
    if told := complaint(case):
        print(f'{case["name"]}: {json.dumps(case["payload"])}: {told}')
