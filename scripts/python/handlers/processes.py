"""Processes and threads, and what else a handler may do to its own."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time

count = 0


def double(number):
    return 2 * number


def counted(event, context):
    global count
    count += 1
    return count


def in_subprocess(event, context):
    return subprocess.run(["echo", "from a child"], capture_output=True, text=True).stdout


def in_shell(event, context):
    return os.system("exit 3")


def forked(event, context):
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(double, range(4))


def spawned(event, context):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        return pool.map(double, range(4))


def piped(event, context):
    """What AWS's guide shows, since Lambda has no /dev/shm for pools."""
    context_of = multiprocessing.get_context("fork")
    here, there = context_of.Pipe()
    process = context_of.Process(target=lambda: there.send("through a pipe"))
    process.start()
    process.join()
    return here.recv()


def thread_that_stays(event, context):
    if event == "first":
        threading.Thread(target=time.sleep, args=(0.3,), daemon=True).start()
    return threading.active_count() > 1


def descriptors(event, context):
    """A child has its standard descriptors, and none of ours: what it writes there would be an answer."""
    script = "import os; print(sorted(each for each in range(64) if os.path.exists(f'/proc/self/fd/{each}'))[:3])"
    return subprocess.run([sys.executable, "-c", script], close_fds=False, capture_output=True, text=True).stdout
