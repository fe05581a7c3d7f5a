"""The four examples as the demo sees them: which document goes in, and what must come out. Each `check` gives one line for
the reader, or raises `Failure`."""

import base64
import io
import json
import struct
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from terminal import Failure

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


@dataclass
class Example:
    name: str
    language: str
    document: str
    event: str
    check: Callable
    more: Callable
    build_seconds_max: int

    def payload(self, event=None):
        return (EXAMPLES / self.name / (event or self.event)).read_bytes()


def expect(seen, wanted, what):
    if seen != wanted:
        raise Failure(f"{what} should be {wanted!r}, is {seen!r}")


# ---- thumbnailer


def check_thumbnails(answer):
    expect((answer["format"], answer["width"], answer["height"]), ("JPEG", 1200, 1600), "the upright picture")
    expect(answer["exif"].get("FNumber"), 5.6, "the EXIF aperture")
    for thumbnail, wanted in zip(answer["thumbnails"], [(640, 853), (320, 427), (96, 128)], strict=True):
        picture = base64.b64decode(thumbnail["image"])
        expect(jpeg_size(picture), wanted, "a thumbnail's size in its own header")
        expect(len(picture), thumbnail["bytes"], "a thumbnail's length")
    sizes = ", ".join(f"{t['width']}x{t['height']} ({t['bytes'] / 1000:.0f} KB)" for t in answer["thumbnails"])
    return f"1200x1600 upright, f/5.6, 1/250 s; thumbnails {sizes}"


def jpeg_size(data):
    """Width and height out of a JPEG's frame header."""
    at = 2
    while at < len(data):
        marker, length = struct.unpack(">HH", data[at : at + 4])
        if marker in (0xFFC0, 0xFFC2):
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    raise Failure("a thumbnail is no JPEG")


def more_of_thumbnailer(invoke):
    error = invoke(json.dumps({"image": "bm90IGEgcGljdHVyZQ=="}).encode(), fails=True)
    expect((error["errorType"], error["errorMessage"]), ("BadRequest", "image is in no format known here"), "the error of a text file")
    return f"a text instead of a picture: {error['errorType']}: {error['errorMessage']}"


# ---- order-api


def check_order(answer):
    expect(answer["statusCode"], 201, "the status of a new order")
    order = json.loads(answer["body"])
    expect((order["customer"], order["total"]), ("Ada Marlow", "80.75"), "the order")
    expect(answer["headers"]["location"], f"/orders/{order['id']}", "the Location header")
    return f"201, order {order['id'][:8]}… of 2 articles for {order['total']}"


def more_of_order_api(invoke):
    """In the sandbox of the first order: it is listed; orders that must be refused are."""
    seen = []
    for event, wanted in (("list-orders", 200), ("invalid-order", 422), ("too-many", 409), ("not-json", 400), ("wrong-method", 405)):
        answer = invoke(event=f"events/{event}.json")
        expect(answer["statusCode"], wanted, f"the status of {event}")
        seen.append(f"{event} {wanted}")
    return ", ".join(seen)


# ---- order-validator


def check_verdict(answer):
    expect((answer["valid"], answer["violations"]), (True, []), "the verdict on the workshop's order")
    expect(answer["totals"], {"net": 703.88, "taxes": {"19": 65.73, "7": 25.06}, "gross": 794.67}, "the totals")
    return f"valid; net {answer['totals']['net']}, taxes 65.73 + 25.06, gross {answer['totals']['gross']} EUR"


def more_of_order_validator(invoke):
    answer = invoke(event="orders/mistaken.json")
    expect((answer["valid"], len(answer["violations"])), (False, 12), "the verdict on the mistaken order")
    first = answer["violations"][0]
    return f"the mistaken order: 12 violations, the first: {first['at']} {first['rule']}"


# ---- log-summary


def check_summary(answer):
    expect((answer["requests"], answer["lines_not_understood"], answer["clients"]), (2000, 1, 187), "the counts")
    expect(answer["statuses"], {"2xx": 1725, "3xx": 229, "4xx": 41, "5xx": 5}, "the counts by status")
    expect((answer["latency_ms"]["p50"], answer["latency_ms"]["p99"]), (20.0, 321.0), "the percentiles")
    expect(answer["paths"][0]["path"], "/products", "the busiest path")
    return f"{answer['requests']} requests of {answer['clients']} clients, 5 errors, p50 20 ms, p99 321 ms, busiest /products"


def more_of_log_summary(invoke):
    error = invoke(json.dumps({"log": "nothing of interest\n"}).encode(), fails=True)
    expect(error["errorMessage"], "the log has no line that is understood", "the error of a log that is none")
    return f"a log that is none: {error['errorMessage']}"


ALL = [
    Example("thumbnailer", "Python", "photos/ridge.jpg", "build/event.json", check_thumbnails, more_of_thumbnailer, 300),
    Example("order-api", "Node.js", "events/place-order.json", "events/place-order.json", check_order, more_of_order_api, 60),
    Example("order-validator", "Java", "orders/workshop.json", "orders/workshop.json", check_verdict, more_of_order_validator, 600),
    Example("log-summary", "Rust", "logs/access.log", "build/event.json", check_summary, more_of_log_summary, 1200),
]


# ---- for comparison


@dataclass
class Empty:
    """A function that does nothing."""

    name: str
    language: str
    runtime: str
    file: str
    source: str
    bare: list

    def package(self):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(self.file, self.source)
        return buffer.getvalue()

    def payload(self):
        return b"{}"

    def check(self, answer):
        expect(answer, {}, "the answer of a function that gives its event back")


EMPTY = [
    Empty("empty-python", "Python", "python%d.%d" % sys.version_info[:2], "index.py", "def handler(event, context):\n    return event\n",
          ["python3", "-c", "pass"]),
    Empty("empty-node", "Node.js", "nodejs20.x", "index.js", "exports.handler = async (event) => event;\n", ["node", "-e", "0"]),
]
