#!/usr/bin/env bash
# PHP 8.2's json_decode calls JSON that is nested deeply a syntax error, whatever depth it is allowed: its parser has a stack
# of 10,000 symbols, of which a level takes two to six, by what stands before it. So an object of objects may have 2,499
# levels, and one with a member before each 1,666. json_last_error says JSON_ERROR_SYNTAX, not JSON_ERROR_DEPTH, and the manual
# knows no other limit than the parameter `depth`. Seen on 29 November 2026 with PHP 8.2.36 of Debian 12:
#
#     4998 levels of [ are read, 4999 are: Syntax error
#     2499 levels of [1, are read, 2500 are: Syntax error
#     2499 levels of {"a": are read, 2500 are: Syntax error
#     1666 levels of {"a":1,"b": are read, 1667 are: Syntax error
set -euo pipefail

command -v php >/dev/null || { echo "please install php-cli" >&2; exit 2; }
php --version | head -1
seen=$(php -r '
foreach ([4998 => ["[", "]"], 2499 => ["[1,", "]"], -2499 => ["{\"a\":", "}"], 1666 => ["{\"a\":1,\"b\":", "}"]] as $levels => [$open, $close]) {
    $levels = abs($levels);
    $read = fn ($levels) => json_decode(str_repeat($open, $levels) . 1 . str_repeat($close, $levels), true, 1_000_000);
    echo $read($levels) === null ? "$levels levels of $open are not read" : "$levels levels of $open are read, ";
    $read($levels + 1);
    echo $levels + 1, " are: ", json_last_error_msg(), "\n";
}')
echo "$seen"
[ "$seen" = '4998 levels of [ are read, 4999 are: Syntax error
2499 levels of [1, are read, 2500 are: Syntax error
2499 levels of {"a": are read, 2500 are: Syntax error
1666 levels of {"a":1,"b": are read, 1667 are: Syntax error' ] || { echo "this has changed" >&2; exit 1; }
