"""Loading modules of a directory that its owner is editing: what is saved is what runs.

Python takes cached bytecode for current when the source's size and whole seconds of modification time are as they were: an
edit within a second that keeps the size would run as it was before. Here bytecode counts only if it was written well after the
source last changed, by the time that no program can set back.
"""

import os
import sys
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from importlib.util import cache_from_source

# Between reading a source and writing its bytecode a compiler takes less.
_COMPILE_NS_MAX = 2_000_000_000


class _Loader(SourceFileLoader):
    def path_stats(self, path):
        stats = super().path_stats(path)
        source, bytecode = os.stat(path), os.stat(cache_from_source(path))
        if min(bytecode.st_mtime_ns, bytecode.st_ctime_ns) < source.st_ctime_ns + _COMPILE_NS_MAX:
            raise OSError("the bytecode may be of an earlier source")
        return stats


def distrust_bytecode(directory):
    """Has modules below this directory loaded from their sources wherever bytecode might be older."""
    loaders = (
        (ExtensionFileLoader, EXTENSION_SUFFIXES),
        (_Loader, SOURCE_SUFFIXES),
        (SourcelessFileLoader, BYTECODE_SUFFIXES),
    )

    def finder(path):
        if path != directory and not path.startswith(directory + os.sep):
            raise ImportError("not below the directory", path=path)
        if not os.path.isdir(path):
            raise ImportError("only directories are supported", path=path)
        return FileFinder(path, *loaders)

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.clear()
