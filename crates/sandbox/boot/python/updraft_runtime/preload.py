"""Modules imported before any function is known, and how a function's own copies win over them.

A function that brings a file of the same name as a preloaded module gets its own, as on AWS, where only the modules
that the runtime client itself needs are loaded before the function. Not to be added: anything that starts threads, opens
connections, reads credentials or the environment at import, or keeps a random state of its own (numpy).
"""

import importlib
import os
import sys

COMMON = (
    "abc argparse asyncio base64 bisect calendar collections.abc concurrent.futures configparser contextlib contextvars"
    " copy csv dataclasses datetime decimal email.message email.utils enum fnmatch functools gc glob gzip hashlib heapq"
    " hmac html http.client http.cookies importlib.metadata inspect io ipaddress itertools json logging.handlers math"
    " mimetypes operator pathlib platform pprint queue random re secrets select shutil signal socket ssl stat statistics"
    " string struct subprocess tempfile textwrap threading time traceback types typing unicodedata urllib.error"
    " urllib.parse urllib.request uuid warnings weakref xml.etree.ElementTree zipfile zlib zoneinfo"
).split()

# Import sets by the name `boot.py` and `zygote.py` take as an argument.
SETS = {"common": COMMON, "boto3": COMMON + ["boto3", "botocore.session"]}

# Names that were there before preloading are AWS's too: the interpreter's own and the runtime client's.
_before = frozenset(sys.modules)
_preloaded_tops = {}


def load(name):
    """Imports one of the sets. A module this interpreter lacks is passed over."""
    for module in SETS[name]:
        try:
            importlib.import_module(module)
        except ImportError:
            pass
    if name == "boto3":
        _build_a_boto3_client()
    note()


def note():
    """Takes down what is loaded now as preloaded."""
    for module in sys.modules:
        if module not in _before:
            _preloaded_tops.setdefault(module.partition(".")[0], []).append(module)


def _build_a_boto3_client():
    """Makes boto3 read its service descriptions and import its parsers, with credentials of nobody."""
    try:
        import boto3

        session = boto3.session.Session("warm", "warm", region_name="us-east-1")
        session.client("s3").close()
    except Exception:
        pass


def drop_shadowed(directories):
    """Forgets preloaded modules of which one of the directories has a copy."""
    for directory in directories:
        try:
            entries = os.listdir(directory)
        except OSError:
            continue
        for entry in entries:
            for module in _preloaded_tops.pop(entry.partition(".")[0], ()):
                sys.modules.pop(module, None)
