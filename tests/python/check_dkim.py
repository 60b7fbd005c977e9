#!/usr/bin/env python3
"""DKIM as another program sees it (dkimpy).

usage: check_dkim.py make rsa|rsa1024|ed25519   prints a private key in PEM form
       check_dkim.py verify NAME TEXT           reads a message; NAME and TEXT are the DNS record

`verify` prints `valid` or `invalid`.
"""

import sys

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa


def make(kind):
    if kind == "ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    else:
        size = 1024 if kind == "rsa1024" else 2048
        key = rsa.generate_private_key(public_exponent=65537, key_size=size)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    print(pem.decode(), end="")


def verify(name, text):
    def look_up(asked, timeout=5):
        return text.encode() if asked.decode().rstrip(".") == name else None

    try:
        valid = dkim.verify(sys.stdin.buffer.read(), dnsfunc=look_up)
    except dkim.DKIMException as why:
        print(why, file=sys.stderr)
        valid = False
    print("valid" if valid else "invalid")


if __name__ == "__main__":
    {"make": make, "verify": verify}[sys.argv[1]](*sys.argv[2:])
