"""Reads e-mails as a foreign program does and says what is in them.

Standard input: a JSON list of messages, each as base64. Standard output: a JSON list with,
for each, `headers` (names in order, lower case), `to` (addresses), `subject` (decoded),
`parts` (their types), `text`, `tags` (of the HTML: name and attributes), `shown` (the HTML's
text with runs of blanks as one), `title`, `raw_lt` (how often `<` stands in the HTML besides
tags, comments and declarations).
"""

import base64
import email
import email.policy
import json
import re
import sys
from html.parser import HTMLParser


class Reader(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.shown, self.comments = [], [], 0

    def handle_starttag(self, tag, attributes):
        self.tags.append([tag, sorted([name, value or ""] for name, value in attributes)])

    def handle_endtag(self, tag):
        self.tags.append(["/" + tag, []])

    def handle_comment(self, _):
        self.comments += 1

    def handle_data(self, data):
        self.shown.append(data)


def one_line(text):
    return re.sub(r"\s+", " ", text).strip()


def read(raw):
    message = email.message_from_bytes(raw, policy=email.policy.default)
    text = message.get_body(("plain",)).get_content()
    html = message.get_body(("html",)).get_content()
    reader = Reader()
    reader.feed(html)
    reader.close()
    marks = len(reader.tags) + reader.comments + html.count("<!DOCTYPE")
    # `<br />` is one tag in the text and a start and an end in the parser's eyes.
    marks -= html.count("/>")
    return {
        "headers": [name.lower() for name in message.keys()],
        "to": [address.addr_spec for address in message["to"].addresses],
        "subject": str(message["subject"]),
        "defects": [str(defect) for part in message.walk() for defect in part.defects],
        "parts": [part.get_content_type() for part in message.walk()],
        "text": text,
        "tags": reader.tags,
        "shown": one_line("".join(reader.shown)),
        "comments": reader.comments,
        "raw_lt": html.count("<") - marks,
    }


def main():
    messages = [base64.b64decode(message) for message in json.load(sys.stdin)]
    json.dump([read(message) for message in messages], sys.stdout)


if __name__ == "__main__":
    main()
