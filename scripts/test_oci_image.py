"""Tries the image that others take the bootstrap from: `test_oci_image.py LAYOUT PROGRAM...`. It is unpacked as an
engine for containers does it, each blob held against its digest and size, and each program run in a root of its own."""

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile

from test_rie import check


def blob(layout, descriptor):
    algorithm, digest = descriptor["digest"].split(":")
    with open(os.path.join(layout, "blobs", algorithm, digest), "rb") as file:
        content = file.read()
    check("size", len(content), descriptor["size"])
    check("digest", hashlib.new(algorithm, content).hexdigest(), digest)
    return content


def read(layout, name):
    with open(os.path.join(layout, name), "rb") as file:
        return file.read()


def main(layout, *programs):
    check("layout", json.loads(read(layout, "oci-layout")), {"imageLayoutVersion": "1.0.0"})
    index = json.loads(read(layout, "index.json"))
    (named,) = index["manifests"]
    check("name", named["annotations"], {"org.opencontainers.image.ref.name": "lambwire/bootstrap"})
    manifest = json.loads(blob(layout, named))
    config = json.loads(blob(layout, manifest["config"]))
    (layer,) = manifest["layers"]
    tar = gzip.decompress(blob(layout, layer))
    check("layers", config["rootfs"], {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]})
    check("platform", (config["os"], config["architecture"]), ("linux", "amd64"))
    with tempfile.TemporaryDirectory() as root, tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        check("files", archive.getnames(), sorted(os.path.basename(program) for program in programs))
        archive.extractall(root)
        for program in programs:
            name = os.path.basename(program)
            with open(os.path.join(root, name), "rb") as file, open(program, "rb") as original:
                check(f"{name} is as it was built", file.read() == original.read(), True)
            enter = ["chroot", root] if os.getuid() == 0 else ["unshare", "--map-root-user", f"--root={root}"]
            said = subprocess.run([*enter, f"/{name}", "--version"], text=True, stdout=subprocess.PIPE, check=True)
            check(f"{name} starts alone", said.stdout.split()[0], name)
    print(f"{len(programs)} programs in {len(tar)} bytes of layer, {layer['size']} compressed ... ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
