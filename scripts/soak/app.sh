handler() {
    rest=${1#*'"do":"'}
    do=${rest%%'"'*}
    case $do in
    throw) id=${1#*'"id":"'}; echo "on purpose ${id%%'"'*}" >&2; return 1 ;;
    exit) exit 3 ;;
    kill) kill -9 $$; sleep 60 ;;
    term) kill -15 $$; sleep 60 ;;
    hang) sleep 60 ;;
    print) head -c 70000 /dev/zero | tr '\0' e >&2 ;;
    fork) (sleep 0.03; for fd in 3 4 5 6 7 8 9; do eval "echo 'result nobody 2\n{}' >&$fd"; done) >/dev/null 2>&1 & ;;
    late) (sleep 0.02; kill -9 $$) >/dev/null 2>&1 & ;;
    leave) setsid sleep 300 >/dev/null 2>&1 & ;;
    garbage) (for fd in 3 4 5 6 7 8 9; do eval "echo 'result nobody 4\n1234' >&$fd"; done) 2>/dev/null ;;
    esac
    printf '%s' "$1"
}
