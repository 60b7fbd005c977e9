"""Reads a calendar as a foreign program does and says what is in it.

Standard input: the calendar as it was written. Standard output: a JSON list with, for each
event, `uid`, `start` (ISO 8601), `stamp`, `summary`, `description`; nothing may be wrong with any
of its lines.
"""

import json
import sys

from icalendar import Calendar

written = sys.stdin.buffer.read()
assert written.endswith(b"\r\n"), "the last line has no end"
lines = written[:-2].split(b"\r\n")
assert all(b"\n" not in line and b"\r" not in line for line in lines), "a line end is not CRLF"
assert all(len(line) <= 75 for line in lines), "a line is longer than 75 bytes"
calendar = Calendar.from_ical(written)
assert calendar.name == "VCALENDAR" and str(calendar["VERSION"]) == "2.0" and calendar["PRODID"]
assert not calendar.errors
events = []
for event in calendar.walk("VEVENT"):
    assert not event.errors, event.errors
    events.append({
        "uid": str(event["UID"]),
        "start": event.decoded("DTSTART").isoformat(),
        "stamp": event.decoded("DTSTAMP").isoformat(),
        "summary": str(event["SUMMARY"]),
        "description": str(event.get("DESCRIPTION", "")),
    })
json.dump(events, sys.stdout)
