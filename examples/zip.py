"""Packs files and directories into a Lambda deployment package: zip.py FUNCTION.ZIP PATH[=NAME]...

Permissions are kept (a `bootstrap` must be executable), times are not, so that the same files give the same zip and the
same CodeSha256. Exists because `zip` is on few machines and Python on all that run this.
"""

import os
import sys
import zipfile

EPOCH = (1980, 1, 1, 0, 0, 0)


def files_below(path, name):
    if not os.path.isdir(path):
        yield path, name
        return
    for entry in sorted(os.listdir(path)):
        if entry != "__pycache__":
            yield from files_below(os.path.join(path, entry), os.path.join(name, entry) if name else entry)


def main(target, parts):
    os.makedirs(os.path.dirname(target) or ".", exist_ok=True)
    with zipfile.ZipFile(target + ".new", "w", zipfile.ZIP_DEFLATED) as archive:
        for part in parts:
            path, _, name = part.partition("=")
            for file, inside in files_below(path, name or ("" if os.path.isdir(path) else os.path.basename(path))):
                entry = zipfile.ZipInfo(inside, EPOCH)
                entry.external_attr = (os.stat(file).st_mode & 0o777 | 0o100444) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                with open(file, "rb") as content:
                    archive.writestr(entry, content.read())
    os.replace(target + ".new", target)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
