"""Prints the event for a picture: make_event.py PHOTO [WIDTH...]"""

import base64
import json
import os
import sys


def main(path, widths):
    with open(path, "rb") as file:
        picture = base64.b64encode(file.read()).decode()
    json.dump({"name": os.path.basename(path), "image": picture, "widths": widths or [640, 320, 96]}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], [int(width) for width in sys.argv[2:]])
