"""`bench_start.py EMULATOR INSTALLED RIE FUNCTION`: how long it is from the start of an emulator to the answer of its first
event: of the program as it was built, as pip has installed it, and of AWS's. One after the other, so that what else the
machine does is shared; what it adds goes up
alone, so that they are compared by their lower quartiles."""

import http.client
import socket
import statistics
import subprocess
import sys
import time

ROUNDS = 101
INSTALLED_RATIO, RIE_RATIO = 1.2, 0.3
PATIENCE_S = 600


def main(emulator, installed, rie, function):
    subjects = {"built": lambda: ours(emulator, function), "installed": lambda: ours(installed, function), "RIE": lambda: theirs(rie, function)}
    times = {name: [] for name in subjects}
    for number in range(ROUNDS + 1):
        for name, measure in subjects.items():
            taken = measure()
            if number > 0:  # The first has read the files.
                times[name].append(taken)
    lower = {}
    for name, each in times.items():
        lower[name], median, upper = statistics.quantiles(each, n=4)
        print(f"{name}: {median * 1000:.2f} ms, quartiles {lower[name] * 1000:.2f} and {upper * 1000:.2f}")
    to_built, to_rie = lower["installed"] / lower["built"], lower["installed"] / lower["RIE"]
    print(f"installed / built {to_built:.2f} of {INSTALLED_RATIO}, installed / RIE {to_rie:.2f} of {RIE_RATIO}")
    sys.exit(to_built > INSTALLED_RATIO or to_rie > RIE_RATIO)


def ours(emulator, function):
    began = time.perf_counter()
    process = subprocess.Popen([emulator, "--listen", "127.0.0.1:0", "--", function], stdout=subprocess.PIPE, text=True)
    port = int(process.stdout.readline().split('"listen":"127.0.0.1:')[1].split('"')[0])
    return answered(process, port, began)


def theirs(rie, function):
    front, api = free_port(), free_port()
    command = [rie, "--runtime-interface-emulator-address", f"127.0.0.1:{front}", "--runtime-api-address", f"127.0.0.1:{api}", function]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", front)) == 0:
                break
        if process.poll() is not None or time.perf_counter() - began > PATIENCE_S:
            sys.exit("bench_start.py: RIE does not listen")
        time.sleep(0.0005)
    return answered(process, front, began)


def answered(process, port, began):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("POST", "/2015-03-31/functions/function/invocations", b'{"queryStringParameters":{"name":"Ada"}}')
    answer = connection.getresponse().read()
    taken = time.perf_counter() - began
    connection.close()
    process.terminate()
    if process.stdout:
        process.stdout.close()
    process.wait(PATIENCE_S)
    if b"Hello, Ada!" not in answer:
        sys.exit(f"bench_start.py: {process.args[0]} answers {answer}")
    return taken


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main(*sys.argv[1:])
