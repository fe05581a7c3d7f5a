"""Makes thumbnails of a picture.

Event:   {"name": "ridge.jpg", "image": "<base64>", "widths": [640, 320, 96]}
Answer:  {"name", "format", "width", "height", "exif": {...}, "thumbnails": [{"width", "height", "bytes", "image"}]}

A picture that is none, or too large to unpack safely, is an error of the function: Lambda reports its type and message.
"""

import base64
import io
import logging

from PIL import ExifTags, Image, ImageOps

logging.getLogger().setLevel(logging.INFO)
logger = logging.getLogger(__name__)

PIXELS_MAX = 40_000_000  # a 40-megapixel picture unpacks to 120 MB
WIDTHS_MAX = 8
QUALITY = 82
EXIF_SHOWN = ("Make", "Model", "DateTimeOriginal", "ExposureTime", "FNumber", "ISOSpeedRatings", "FocalLength", "Artist")


class BadRequest(ValueError):
    """The event is not one this function understands."""


def handler(event, context):
    picture = open_picture(event)
    upright = ImageOps.exif_transpose(picture).convert("RGB")
    thumbnails = [thumbnail(upright, width) for width in widths(event)]
    logger.info("%s: %dx%d, %d thumbnails", event.get("name"), upright.width, upright.height, len(thumbnails))
    return {
        "name": event.get("name"),
        "format": picture.format,
        "width": upright.width,
        "height": upright.height,
        "exif": exif(picture),
        "thumbnails": thumbnails,
    }


def open_picture(event):
    try:
        data = base64.b64decode(event["image"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise BadRequest("image must be base64: %s" % error) from error
    try:
        picture = Image.open(io.BytesIO(data))
    except OSError as error:
        raise BadRequest("image is in no format known here") from error
    if picture.width * picture.height > PIXELS_MAX:
        raise BadRequest("image has %d pixels, at most %d are taken" % (picture.width * picture.height, PIXELS_MAX))
    return picture


def widths(event):
    wanted = event.get("widths", [320])
    if not wanted or len(wanted) > WIDTHS_MAX or not all(isinstance(width, int) and 1 <= width <= 4096 for width in wanted):
        raise BadRequest("widths must be 1 to %d whole numbers from 1 to 4096" % WIDTHS_MAX)
    return wanted


def thumbnail(upright, width):
    height = max(1, round(upright.height * width / upright.width))
    small = upright.resize((width, height), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=QUALITY, optimize=True)
    return {"width": width, "height": height, "bytes": out.tell(), "image": base64.b64encode(out.getvalue()).decode()}


def exif(picture):
    tags = picture.getexif()
    named = {ExifTags.TAGS.get(tag, tag): value for tag, value in {**tags, **tags.get_ifd(ExifTags.IFD.Exif)}.items()}
    return {name: readable(named[name]) for name in EXIF_SHOWN if name in named}


def readable(value):
    """Fractions as numbers, all else as text."""
    return round(float(value), 4) if isinstance(value, int) or hasattr(value, "numerator") else str(value)
