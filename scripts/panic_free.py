"""Finds every call that panics in a program, and whose code it stands in: `panic_free.py PROGRAM`, with debug info.

Fails if one stands in code that bytes from outside can reach and that is not listed here with a reason.
"""

import re
import struct
import subprocess
import sys

# Crates whose panics may stay, and why.
ALLOWED = {
    "serde-json-core": "guards of its own slicing; reached by no input (its unescaping is not used)",
    "rustix": "asserts that a descriptor is not -1, which it has checked before",
}

PANICS = re.compile(r"^core::(panicking::|.*(unwrap|expect|slice\w*|mismatch|index)_fail)")
STD = re.compile(r"(^|/)(library|rustc/[0-9a-f]+/library)/|/compiler_builtins")
CRATE = re.compile(r"/registry/src/[^/]+/([\w-]+?)-\d[^/]*/|(?:^|/)(?:crates|examples)/([\w-]+)/")


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


class Program:
    """Functions, and who calls whom from where."""

    def __init__(self, path):
        self.path = path
        self.image = open(path, "rb").read()
        self.names = {}
        self.calls = {}
        function = None
        for line in run("objdump", "-d", "-C", "--no-show-raw-insn", path).splitlines():
            if begins := re.match(r"([0-9a-f]+) <(.*)>:$", line):
                function = self.names[int(begins[1], 16)] = plain(begins[2])
            elif call := re.match(r" *([0-9a-f]+):\s+(?:call|jmp)\w* +(\S+)(?:.*# ([0-9a-f]+))?", line):
                target = self.target(call[2], call[3])
                self.calls.setdefault(target, []).append((int(call[1], 16), function))

    def target(self, operand, slot):
        if operand.startswith("*"):
            # Through a slot, which the linker has filled in.
            return self.word(int(slot, 16)) if slot else None
        return int(operand, 16) if re.fullmatch(r"[0-9a-f]+", operand) else None

    def word(self, address):
        first, size, count = struct.unpack_from("<Q", self.image, 32)[0], *struct.unpack_from("<HH", self.image, 54)
        for index in range(count):
            kind, _, offset, start, _, length = struct.unpack_from("<IIQQQQ", self.image, first + index * size)
            if kind == 1 and start <= address < start + length:
                return struct.unpack_from("<Q", self.image, offset + address - start)[0]
        return None

    def owners(self, address, function, seen):
        """Whose code a call stands in: that of the innermost frame outside of the standard library, or, if there is
        none, that of all who call the function."""
        frames = run("addr2line", "-i", "-e", self.path, hex(address)).splitlines()
        for frame in frames:
            if not STD.search(frame) and (crate := CRATE.search(frame)):
                return {(crate[1] or crate[2], frame.rsplit("/", 1)[-1])}
        if function in seen:
            return set()
        callers = [call for target, name in self.names.items() if name == function for call in self.calls.get(target, [])]
        found = set()
        for call, caller in callers:
            if caller != function:
                found |= self.owners(call, caller, seen | {function})
        return found or {("nobody known", function)}


def plain(name):
    return re.sub(r"::h[0-9a-f]{16}", "", name)


def main(path):
    program = Program(path)
    if not any("lambwire" in name for name in program.names.values()):
        sys.exit(f"{path} names nothing of lambwire, so there is nothing to check")
    panics = {}
    for target, name in program.names.items():
        for address, function in program.calls.get(target, []) if PANICS.match(name) else []:
            if not PANICS.match(function):
                for crate, place in program.owners(address, function, frozenset()):
                    panics.setdefault(crate, set()).add(f"{place} in {function} calls {name}")
    failed = 0
    for crate, places in sorted(panics.items()):
        print(f"panic-free: {crate}: {len(places)} places, {ALLOWED.get(crate, 'NOT ALLOWED')}")
        if crate not in ALLOWED:
            failed += len(places)
            print(*(f"    {place}" for place in sorted(places)), sep="\n")
    print(f"panic-free: {len(program.names)} functions, {failed} places that may not panic and can")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main(sys.argv[1])
