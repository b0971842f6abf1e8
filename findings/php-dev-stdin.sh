#!/usr/bin/env bash
# PHP 8.2's fopen and file_get_contents find no file at /dev/stdin, /dev/fd/N and /proc/self/fd/N where that is a pipe: they
# follow symbolic links themselves, and the link of a pipe leads to a name, as `pipe:[123]`, and no file. It is opened where it
# is a file, and by php://stdin and php://fd/N, which duplicate the descriptor, so that programs inherit it. Python opens all
# of these. So `<(command)` of a shell is nothing that a script in PHP can be given. Seen on 30 November 2026 with PHP 8.2.36
# of Debian 12:
#
#     /dev/stdin, a file: 6 bytes
#     /dev/stdin, a pipe: No such file or directory
#     /dev/fd/N of a shell: No such file or directory
#     php://stdin, a pipe: 6 bytes
#     python, /dev/stdin, a pipe: 6 bytes
set -euo pipefail

command -v php >/dev/null || { echo "please install php-cli" >&2; exit 2; }
php --version | head -1
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
echo hello >"$root/file"
read_all() {
    # shellcheck disable=SC2016
    php -r '
        $text = @file_get_contents($argv[1]);
        echo $text === false ? preg_replace("/.*: /", "", error_get_last()["message"]) : strlen($text) . " bytes";' "$1"
}
seen="/dev/stdin, a file: $(read_all /dev/stdin <"$root/file")
/dev/stdin, a pipe: $(echo hello | read_all /dev/stdin)
/dev/fd/N of a shell: $(read_all <(echo hello))
php://stdin, a pipe: $(echo hello | read_all php://stdin)
python, /dev/stdin, a pipe: $(echo hello | python3 -c 'print(len(open("/dev/stdin").read()), "bytes")')"
echo "$seen"
[ "$seen" = '/dev/stdin, a file: 6 bytes
/dev/stdin, a pipe: No such file or directory
/dev/fd/N of a shell: No such file or directory
php://stdin, a pipe: 6 bytes
python, /dev/stdin, a pipe: 6 bytes' ] || { echo "this has changed" >&2; exit 1; }
