"""What schemathesis must know to call our endpoints: how a call is signed, and which numbers
JSON has and we do not."""

import hashlib
import hmac
import json
import os
import time

import schemathesis

SECRETS = json.loads(os.environ.get("OPENAPI_SECRETS", "{}"))
SIGNED = "/api/v1/webhooks/n8n/"


class Signature:
    """Signs the bytes that are really sent; the endpoints of n8n want that."""

    def __call__(self, request):
        body = request.body or b""
        body = body.encode() if isinstance(body, str) else body
        secret = SECRETS["N8N_WEBHOOK_SECRET"].encode()
        signature = hmac.new(secret, body, hashlib.sha256).hexdigest()
        request.headers["X-Webhook-Signature-256"] = signature
        request.headers.setdefault("X-Webhook-Timestamp", str(int(time.time())))
        return request


if "N8N_WEBHOOK_SECRET" in SECRETS:
    schemathesis.auth.set_from_requests(Signature()).apply_to(path_regex=SIGNED)


def fits(value):
    """Whether every whole number has at most 64 bits; the document says so in words."""
    if isinstance(value, dict):
        return all(fits(item) for item in value.values())
    if isinstance(value, list):
        return all(fits(item) for item in value)
    return not isinstance(value, int) or -(2**63) <= value < 2**64


@schemathesis.hook
def filter_body(context, body):
    return fits(body)
