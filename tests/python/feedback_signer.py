#!/usr/bin/env python3
"""Sign reports of bounces as their providers do, with code that is not ours.

usage: feedback_signer.py FOLDER HOST

Writes into FOLDER: ca.pem, cert.pem and key.pem of a stand-in for HOST, and the certificates
amazon.pem and stranger.pem, whose keys stay here. Says `ready`, then reads one JSON object per
line and answers each with a line:

{"secret": …, "id": …, "time": seconds, "body": …}   the header of the `standardwebhooks` package
{"message": {…}, "key": "amazon" or "stranger"}      the signature of an SNS message in base64
"""

import base64
import datetime
import json
import sys
from pathlib import Path

import make_certs
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from standardwebhooks.webhooks import Webhook

PEM = serialization.Encoding.PEM
# The order in which Amazon's documentation lists the fields that are signed.
NOTIFICATION = "Message MessageId Subject Timestamp TopicArn Type".split()
CONFIRMATION = "Message MessageId SubscribeURL Timestamp Token TopicArn Type".split()


def signing_key(folder, name):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = make_certs.name("sns.amazonaws.com")
    certificate = make_certs.certificate(subject, subject, key.public_key(), key.public_key())
    (folder / f"{name}.pem").write_bytes(certificate.sign(key, hashes.SHA256()).public_bytes(PEM))
    return key


def stand_in(folder, host):
    ca, leaf, key = make_certs.make(host)
    (folder / "ca.pem").write_bytes(ca.public_bytes(PEM))
    (folder / "cert.pem").write_bytes(leaf.public_bytes(PEM))
    form = (PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*form))


def of_amazon(keys, line):
    message = line["message"]
    fields = NOTIFICATION if message["Type"] == "Notification" else CONFIRMATION
    text = "".join(f"{field}\n{message[field]}\n" for field in fields if field in message)
    digest = hashes.SHA1() if message["SignatureVersion"] == "1" else hashes.SHA256()
    signature = keys[line["key"]].sign(text.encode(), padding.PKCS1v15(), digest)
    return base64.b64encode(signature).decode()


def of_standard(line):
    at = datetime.datetime.fromtimestamp(line["time"], datetime.timezone.utc)
    return Webhook(line["secret"]).sign(line["id"], at, line["body"])


def main():
    folder = Path(sys.argv[1])
    stand_in(folder, sys.argv[2])
    keys = {name: signing_key(folder, name) for name in ("amazon", "stranger")}
    print("ready", flush=True)
    for text in sys.stdin:
        line = json.loads(text)
        print(of_amazon(keys, line) if "message" in line else of_standard(line), flush=True)


if __name__ == "__main__":
    main()
