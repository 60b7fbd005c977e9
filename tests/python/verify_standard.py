#!/usr/bin/env python3
"""Verify deliveries with the published `standardwebhooks` package.

Reads one JSON object per line, {"secret": …, "headers": {…}, "body": base64}, and answers
each with a line `ok` or `bad: reason`.
"""

import base64
import json
import sys

from standardwebhooks.webhooks import Webhook

for line in sys.stdin:
    try:
        delivery = json.loads(line)
        body = base64.b64decode(delivery["body"], validate=True)
        Webhook(delivery["secret"]).verify(body, delivery["headers"], json_parse=False)
        print("ok", flush=True)
    except Exception as error:  # whatever a receiver would trip over is a finding
        print(f"bad: {type(error).__name__}: {error}".replace("\n", " "), flush=True)
