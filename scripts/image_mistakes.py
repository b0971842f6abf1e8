"""Dockerfiles with one mistake each, and the words that tell. docs/images.md has the same words."""

# EM_BPF in the place of an ELF file that says what machine it is for: one for which no machine has an emulator set up.
FOREIGN = r"printf '\367' | dd status=none bs=1 seek=18 conv=notrunc"


def function(handler, run=":"):
    return f'RUN {run}\nENTRYPOINT ["/bootstrap"]\nCMD ["{handler}"]'


# The base, what stands behind FROM, COPY bootstrap /bootstrap and COPY app.sh lambda /var/task/, and what is said.
MISTAKES = {
    "a relative entrypoint": (
        "sh",
        'ENTRYPOINT ["bootstrap"]',
        'exec: "bootstrap": executable file not found in $PATH',
    ),
    "an entrypoint relative to the working directory": (
        "sh",
        'WORKDIR /var/task\nENTRYPOINT ["./bootstrap"]',
        'exec: "./bootstrap": stat ./bootstrap: no such file or directory',
    ),
    "single quotes": ("sh", "ENTRYPOINT ['/bootstrap']", "[/bootstrap]: not found"),
    "an entrypoint in shell form": (
        "sh",
        'ENTRYPOINT /bootstrap\nCMD ["app.handler"]',
        "Runtime.MalformedHandlerName: no handler: name one as an argument or in _HANDLER",
    ),
    "a command in shell form": (
        "sh",
        'ENTRYPOINT ["/bootstrap"]\nCMD app.handler',
        'CMD is in shell form: write it as CMD ["app.handler"]',
    ),
    "a bootstrap that is not executable": (
        "sh",
        function("app.handler", "chmod -x /bootstrap"),
        'exec: "/bootstrap": permission denied',
    ),
    "a bootstrap for another machine": (
        "sh",
        function("app.handler", f"{FOREIGN} of=/bootstrap"),
        "exec /bootstrap: exec format error",
    ),
    "a program for another machine": (
        "sh",
        function("lambda", f"{FOREIGN} of=/var/task/lambda"),
        "Runtime.WrongArchitecture: /var/task/lambda is built for",
    ),
    "a program for another libc": (
        "sh",
        function("lambda"),
        "Runtime.NoLoader: /var/task/lambda wants /lib64/ld-linux-x86-64.so.2 to load it",
    ),
    "a library that is not there": (
        "go-native",
        function("lambda"),
        "Runtime.MissingLibrary: /var/task/lambda lacks shared libraries: libpq.so.5 (needed by /var/task/lambda)",
    ),
    "a library that ldconfig does not know": (
        "go-native",
        'COPY client /opt/client\nENTRYPOINT ["/var/task/lambda"]',
        "error while loading shared libraries: libpq.so.5: cannot open shared object file",
    ),
    "lines that end in CR LF": (
        "sh",
        function("app.handler", r"sed -i 's/$/\r/' /var/task/app.sh"),
        "Runtime.CarriageReturn: /var/task/app.sh has lines that end in CR LF",
    ),
    "a handler that root alone may read": (
        "sh",
        function("app.handler", "chmod 600 /var/task/app.sh"),
        "can't open '/var/task/app.sh': Permission denied",
    ),
    "a handler of another name": (
        "sh",
        function("index.handler"),
        "Runtime.NoSuchFile: handler 'index.handler': no file index in /var/task",
    ),
    "an image without the interpreter": (
        "sh",
        function("app.handler", "mv /var/task/app.sh /var/task/app.php"),
        "Runtime.NoInterpreter: /var/task/app.php is in PHP, but there is no php in PATH",
    ),
    "a write outside of /tmp": (
        "sh",
        function("app.handler", "echo 'date >/var/task/started' >>/var/task/app.sh"),
        "/var/task/started: Read-only file system",
    ),
}
