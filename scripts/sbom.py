"""Prints what a package is built from, as CycloneDX 1.5: `sbom.py PACKAGE [TARGET]`."""

import json
import subprocess
import sys
import tomllib


def main(package, target="x86_64-unknown-linux-musl"):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    packages = {each["id"]: each for each in metadata["packages"]}
    needs = {node["id"]: needed(node) for node in metadata["resolve"]["nodes"]}
    root = next((id for id in metadata["workspace_members"] if packages[id]["name"] == package), None)
    if root is None:
        sys.exit(f"sbom.py: no package of the workspace is called '{package}'")
    with open("Cargo.lock", "rb") as lock:
        locked = tomllib.load(lock)["package"]
    sums = {(each["name"], each["version"]): each.get("checksum") for each in locked}
    ids = sorted(reached(root, needs), key=lambda id: (packages[id]["name"], packages[id]["version"]))
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": component(packages[root], sums, "application")},
        "components": [component(packages[id], sums, "library") for id in ids if id != root],
        "dependencies": [
            {"ref": purl(packages[id]), "dependsOn": sorted(purl(packages[other]) for other in needs[id])} for id in ids
        ],
    }
    json.dump(document, sys.stdout, indent=2)
    print()


def needed(node):
    """What goes into a build, macros and build scripts included; not what tests need."""
    is_built = lambda dependency: any(kind["kind"] != "dev" for kind in dependency["dep_kinds"])
    return [dependency["pkg"] for dependency in node["deps"] if is_built(dependency)]


def reached(root, needs):
    found, waiting = {root}, [root]
    while waiting:
        new = set(needs[waiting.pop()]) - found
        found |= new
        waiting += new
    return found


def component(package, sums, kind):
    checksum = sums.get((package["name"], package["version"]))
    return {
        "type": kind,
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "purl": purl(package),
        "licenses": [{"expression": package["license"].replace("/", " OR ")}] if package["license"] else [],
        "hashes": [{"alg": "SHA-256", "content": checksum}] if checksum else [],
    }


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


if __name__ == "__main__":
    main(*sys.argv[1:])
