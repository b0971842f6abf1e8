import os
import subprocess
import threading
import time


def handler(event, context):
    answer = {"id": event["id"], "pad": event["pad"]}
    do = event["do"]
    if do == "throw":
        raise ValueError("on purpose " + event["id"])
    if do == "exit":
        os._exit(3)
    if do == "kill":
        os.kill(os.getpid(), 9)
    if do == "term":
        os.kill(os.getpid(), 15)
    if do == "hang":
        time.sleep(60)
    if do == "print":
        print("o" * 70_000)
        os.write(2, b"e" * 70_000)
    if do == "fork" and os.fork() == 0:
        time.sleep(0.03)
        return {"id": "child of " + event["id"]}
    if do == "late":
        threading.Timer(0.02, lambda: 1 / 0).start()
    if do == "leave":
        subprocess.Popen(["sleep", "300"], start_new_session=True)
    if do == "garbage":
        for fd in range(3, 10):
            try:
                os.write(fd, b"result nobody 4\n1234\n")
            except OSError:
                pass
    return answer
