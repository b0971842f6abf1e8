# Speaks the worker protocol for a function in a shell script. Its first argument is the event, its second the context;
# what it prints is the answer. It runs in a process of its own for every event.
eval "exec 9>&$LAMBWIRE_ANSWERS_FD 8<&$LAMBWIRE_EVENTS_FD"
for lambwire_fd in "$LAMBWIRE_EVENTS_FD" "$LAMBWIRE_ANSWERS_FD"; do
    case $lambwire_fd in [0-7]) eval "exec $lambwire_fd<&-" ;; esac
done

lambwire_id=-
lambwire_tell() {
    printf '%s %s %s\n%s' "$1" "$lambwire_id" "$(LC_ALL=C && echo ${#2})" "$2" >&9
}
lambwire_report() {
    lambwire_tell error "{\"errorType\":\"$1\",\"errorMessage\":\"$2\"}"
}

. "$LAMBWIRE_FILE"
case $(command -v "$LAMBWIRE_FUNCTION") in
"$LAMBWIRE_FUNCTION") ;;
*)
    lambwire_report Runtime.HandlerNotFound "no function $LAMBWIRE_FUNCTION in $LAMBWIRE_FILE"
    exit 1
    ;;
esac
lambwire_tell ready ''
while read -r lambwire_kind lambwire_id lambwire_context lambwire_length <&8 && IFS= read -r lambwire_context <&8; do
    lambwire_event=$(head -c "$lambwire_length" <&8)
    _X_AMZN_TRACE_ID=${lambwire_context#*'"trace_id":'}
    case $_X_AMZN_TRACE_ID in
    '"'*)
        _X_AMZN_TRACE_ID=${_X_AMZN_TRACE_ID#'"'}
        export _X_AMZN_TRACE_ID="${_X_AMZN_TRACE_ID%%'"'*}"
        ;;
    *) unset _X_AMZN_TRACE_ID ;;
    esac
    lambwire_answer=$("$LAMBWIRE_FUNCTION" "$lambwire_event" "$lambwire_context" 8<&- 9>&-)
    lambwire_status=$?
    case $lambwire_status in
    0) lambwire_tell text "$lambwire_answer" ;;
    *) lambwire_report Function.ExitStatus "$LAMBWIRE_FUNCTION exited with status $lambwire_status" ;;
    esac
done
