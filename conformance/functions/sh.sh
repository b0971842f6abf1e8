# The kit's function in sh, for the bootstrap.
handler() {
    case $1 in
    '{"fail":'*) printf 'asked to fail\n' >&2; return 1 ;;
    *) printf '%s' "$1" ;;
    esac
}
