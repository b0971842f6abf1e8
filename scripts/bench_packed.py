"""bench_packed.py PLAIN PACKED: what unpacking costs a program when it starts.

Both take turns; the figures are medians.
"""

import os
import statistics
import sys
import time

ROUNDS = 1000


def start_us(program):
    silent = [(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    begin = time.perf_counter()
    os.waitpid(os.posix_spawn(program, [program, "--version"], {}, file_actions=silent), 0)
    return (time.perf_counter() - begin) * 1e6


def main(plain, packed):
    rounds = [(start_us(plain), start_us(packed)) for _ in range(ROUNDS)]
    plain_us, packed_us = (statistics.median(column) for column in zip(*rounds))
    ratio = statistics.median(packed / plain for plain, packed in rounds)
    print(f"plain {plain_us:.0f} us, packed {packed_us:.0f} us, packed/plain {ratio:.2f}")


main(*sys.argv[1:])
