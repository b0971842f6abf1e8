"""Writes an image of programs and nothing else as an OCI layout, the same bytes for the same programs:
`oci_image.py LAYOUT NAME ARCHITECTURE=PROGRAM,... ...`, where an architecture is amd64 or arm64.

`podman pull oci:LAYOUT` takes it, as do skopeo and buildah. With several architectures it is an index of them.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

# OCI image specification 1.0: media types and the layout's version.
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'

ARCHITECTURES = ("amd64", "arm64")


class Layout:
    def __init__(self, directory):
        self.directory = directory
        os.makedirs(os.path.join(directory, "blobs", "sha256"), exist_ok=True)
        self.write("oci-layout", LAYOUT)

    def write(self, name, content):
        with open(os.path.join(self.directory, name), "wb") as file:
            file.write(content)

    def blob(self, media_type, content, **more):
        """Puts in what is named by its digest, and gives the descriptor of it."""
        digest = hashlib.sha256(content).hexdigest()
        self.write(os.path.join("blobs", "sha256", digest), content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content), **more}

    def image(self, architecture, programs):
        """An image whose root has these programs."""
        tar = archive(programs)
        layer = self.blob(LAYER, gzip.compress(tar, mtime=0))
        about = {
            "architecture": architecture,
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]},
        }
        config = self.blob(CONFIG, encode(about))
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
        return self.blob(MANIFEST, encode(manifest), platform={"architecture": architecture, "os": "linux"})


def archive(programs):
    """The programs side by side, executable for all, of nobody's and no time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path in sorted(programs, key=os.path.basename):
            entry = tarfile.TarInfo(os.path.basename(path))
            entry.size, entry.mode = os.path.getsize(path), 0o755
            with open(path, "rb") as file:
                tar.addfile(entry, file)
    return out.getvalue()


def encode(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def main(directory, name, *images):
    layout = Layout(directory)
    manifests = []
    for image in images:
        architecture, _, programs = image.partition("=")
        if architecture not in ARCHITECTURES or not programs:
            sys.exit(f"oci_image.py: '{image}' is not one of {', '.join(ARCHITECTURES)}, =, and programs")
        manifests.append(layout.image(architecture, programs.split(",")))
    if not manifests:
        sys.exit("oci_image.py: name an architecture and its programs")
    if len(manifests) == 1:
        named = manifests[0]
    else:
        named = layout.blob(INDEX, encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}))
    named["annotations"] = {"org.opencontainers.image.ref.name": name}
    layout.write("index.json", encode({"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
