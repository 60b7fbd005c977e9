#!/usr/bin/env python3
"""Verify deliveries with the lines that the webhook guide gives to its readers.

Reads one JSON object per line, {"secret": …, "headers": {…}, "body": base64}, and answers
each with a line `ok` or `bad: reason`.
"""

import base64
import hashlib
import hmac
import json
import sys

HEADER = "X-Webhook-Signature-256"


def verify(secret, headers, body):
    """None when the signature is right, else what is wrong."""
    sent = {name.lower(): value for name, value in headers.items()}.get(HEADER.lower())
    if sent is None:
        return f"no {HEADER} header"
    sig = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(sig.encode(), sent.encode()):
        return f"{HEADER} does not match the body"
    return None


for line in sys.stdin:
    try:
        delivery = json.loads(line)
        body = base64.b64decode(delivery["body"], validate=True)
        reason = verify(delivery["secret"], delivery["headers"], body)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".replace("\n", " ")
    print("ok" if reason is None else f"bad: {reason}", flush=True)
