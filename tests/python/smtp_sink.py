#!/usr/bin/env python3
"""A mail server for tests: it takes every e-mail, keeps it, and shows it as JSON.

usage: smtp_sink.py --port 0 --api-port 0 --cert cert.pem --key key.pem \\
                    [--user U --password P] [--implicit-tls]

Prints `ready SMTP_PORT API_PORT` when both ports listen (on 127.0.0.1 alone); port 0 takes
a free one. TLS comes first, by STARTTLS or, with --implicit-tls, from the first byte; AUTH
LOGIN or PLAIN comes next; without both, no mail is taken.

The local part of a recipient scripts a failure:
  perm*  550 at RCPT, always
  temp*  451 at RCPT, the first time only (per address)
  late*  451 after DATA, the first time only (per address); that message is not kept
  rcpt-NNN*, data-NNN*  NNN at RCPT, or after DATA, always

The API: `GET /` lists the kept messages, oldest first; `DELETE /` forgets them and which
failures were already played.
"""

import argparse
import asyncio
import email
import email.policy
import hmac
import json
import logging
import re
import signal
import ssl
import warnings

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Box:
    """The messages that were taken, and the failures that were played."""

    def __init__(self):
        self.messages = []
        self.played = set()

    def clear(self):
        self.messages.clear()
        self.played.clear()

    def first_time(self, stage, address):
        """True once per stage and address: the moment to fail."""
        key = (stage, address.lower())
        if key in self.played:
            return False
        self.played.add(key)
        return True


def scripted(stage, address):
    """The answer that an address such as `rcpt-452@example.com` asks for at this stage."""
    found = re.match(rf"{stage}-([45])(\d\d)", address)
    return found and f"{found[1]}{found[2]} {found[1]}.0.0 as {address} asks"


class Handler:
    """aiosmtpd calls this for every recipient and every message."""

    def __init__(self, box):
        self.box = box

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("perm"):
            return "550 5.1.1 No such user here"
        if address.startswith("temp") and self.box.first_time("rcpt", address):
            return "451 4.7.1 Greylisted, try again later"
        if answer := scripted("rcpt", address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        for to in envelope.rcpt_tos:
            if answer := scripted("data", to):
                return answer
        late = [to for to in envelope.rcpt_tos if to.startswith("late")]
        # A list, not a generator: every late recipient has then had its failure.
        if any([self.box.first_time("data", to) for to in late]):
            return "451 4.3.0 Try again later"
        self.box.messages.append(describe(server, session, envelope))
        return f"250 2.0.0 OK: kept as {len(self.box.messages)}"


def describe(server, session, envelope):
    """One message as the API shows it; `headers` maps lower-case names to lists of values."""
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    headers = {}
    for name, value in message.items():
        headers.setdefault(name.lower(), []).append(str(value))
    return {
        "from": envelope.mail_from,
        "rcpts": envelope.rcpt_tos,
        "subject": headers.get("subject", [None])[0],
        "headers": headers,
        "text": part(message, "plain"),
        "html": part(message, "html"),
        "tls": server.transport.get_extra_info("ssl_object") is not None,
        "auth": bool(session.authenticated),
        "raw": envelope.content.decode("utf-8", "replace"),
    }


def part(message, kind):
    body = message.get_body((kind,))
    return None if body is None else body.get_content().replace("\r\n", "\n")


def authenticator(user, password):
    def check(server, session, envelope, mechanism, data):
        right = (
            isinstance(data, LoginPassword)
            and hmac.compare_digest(data.login, user.encode())
            and hmac.compare_digest(data.password, password.encode())
        )
        # handled=False lets aiosmtpd answer "535 5.7.8" by itself.
        return AuthResult(success=right, handled=False)

    return check


async def answer_api(box, reader, writer):
    """One HTTP/1.1 request per connection."""
    try:
        request = (await reader.readline()).decode("latin-1").split()
        while (await reader.readline()).strip():
            pass
        status, body = respond(box, *request[:2])
        payload = json.dumps(body).encode()
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\nConnection: close\r\n\r\n".encode() + payload
        )
        await writer.drain()
    except ConnectionError:
        pass  # the caller has left
    finally:
        writer.close()


def respond(box, method="", path=""):
    if path != "/":
        return "404 Not Found", {"error": "only / is here"}
    if method == "GET":
        return "200 OK", box.messages
    if method == "DELETE":
        box.clear()
        return "200 OK", []
    return "405 Method Not Allowed", {"error": "GET or DELETE"}


def parse_arguments():
    parser = argparse.ArgumentParser(description="A mail server for tests.")
    parser.add_argument("--port", type=int, required=True, help="SMTP port, 0 for a free one")
    parser.add_argument("--api-port", type=int, required=True, help="HTTP port, 0 for a free one")
    parser.add_argument("--cert", required=True, help="PEM file with the certificate")
    parser.add_argument("--key", required=True, help="PEM file with its key")
    parser.add_argument("--user", default="user")
    parser.add_argument("--password", default="pass")
    parser.add_argument("--implicit-tls", action="store_true", help="TLS from the first byte")
    return parser.parse_args()


async def run(arguments):
    box = Box()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(arguments.cert, arguments.key)
    implicit = arguments.implicit_tls

    def connection():
        return SMTP(
            Handler(box),
            hostname="localhost",
            ident="rulerun test sink",
            tls_context=None if implicit else tls,
            require_starttls=not implicit,
            authenticator=authenticator(arguments.user, arguments.password),
            auth_required=True,
            # aiosmtpd knows only the TLS that STARTTLS began.
            auth_require_tls=not implicit,
            enable_SMTPUTF8=True,
        )

    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)

    smtp = await loop.create_server(
        connection, "127.0.0.1", arguments.port, ssl=tls if implicit else None
    )
    api = await asyncio.start_server(
        lambda reader, writer: answer_api(box, reader, writer), "127.0.0.1", arguments.api_port
    )
    print("ready", *(server.sockets[0].getsockname()[1] for server in (smtp, api)), flush=True)
    await stop.wait()


if __name__ == "__main__":
    # aiosmtpd warns about AUTH without STARTTLS, which is right with --implicit-tls.
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message="Requiring AUTH")
    asyncio.run(run(parse_arguments()))
