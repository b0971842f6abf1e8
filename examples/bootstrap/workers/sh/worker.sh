# The worker for a function in a shell script, in whichever shell runs this. It speaks the worker protocol.
#
# The script is loaded into this very shell, so that it may change all that a shell has: options, IFS, functions and
# aliases with the names of commands, traps, PATH, descriptors. So the loop consists of syntax alone, which nothing of
# that changes: assignments, `case`, subshells. Whatever needs a command is done in a subshell that has been cleaned.
# The function runs in a subshell of its own, too: what it changes is gone before the next event.
#
# Descriptor 7 is for events and 8 for answers, wherever they have been: scripts like to use 3, 4 and 9.
for lambwire_spare in 3 4 5 6 9; do
    case $lambwire_spare in "$LAMBWIRE_EVENTS_FD" | "$LAMBWIRE_ANSWERS_FD") ;; *) break ;; esac
done
# Some shells know no number of two digits.
case $LAMBWIRE_EVENTS_FD in ?) lambwire_from="<&$LAMBWIRE_EVENTS_FD" ;; *) lambwire_from="</proc/self/fd/$LAMBWIRE_EVENTS_FD" ;; esac
case $LAMBWIRE_ANSWERS_FD in ?) lambwire_to=">&$LAMBWIRE_ANSWERS_FD" ;; *) lambwire_to=">/proc/self/fd/$LAMBWIRE_ANSWERS_FD" ;; esac
eval "exec $lambwire_spare$lambwire_from 8$lambwire_to 7<&$lambwire_spare $lambwire_spare<&-"
for lambwire_spare in "$LAMBWIRE_EVENTS_FD" "$LAMBWIRE_ANSWERS_FD"; do
    case $lambwire_spare in [34569]) eval "exec $lambwire_spare<&-" ;; esac
done
lambwire_file=$LAMBWIRE_FILE lambwire_function=$LAMBWIRE_FUNCTION
unset LAMBWIRE_FILE LAMBWIRE_FUNCTION LAMBWIRE_EVENTS_FD LAMBWIRE_ANSWERS_FD _X_AMZN_TRACE_ID
lambwire_path=$PATH lambwire_turn=0 lambwire_lang=${LC_ALL-} lambwire_readonly=
lambwire_newline='
'
# A letter of two bytes.
lambwire_letter=$(printf '\303\251')
# What stands for a NUL, which no variable holds: a byte that is in no text. In yash it is none.
lambwire_nul=$(printf '\377')

# In a subshell: undoes what the script may have changed that matters to this file. The variable has bash prefer its own
# `unset` to a function of that name, and ksh makes no process of a subshell before it is asked for a limit.
lambwire_clean() {
    case $lambwire_readonly in *POSIXLY_CORRECT*) ;; *) POSIXLY_CORRECT=1 ;; esac
    case ${KSH_VERSION-} in *93*) ulimit -t unlimited 2>&- ;; esac
    # Neither a trap on errors nor `set -e` is to hear that there are none of these.
    unset -f read printf print test head sed tr wc cat date command exec exit export unalias enable emulate trap 2>&- || lambwire_part=
    case ${BASH_VERSION-}${ZSH_VERSION-} in
    ?*) enable read printf print test command exec exit export unalias emulate trap 2>&- || lambwire_part= ;;
    esac
    case ${ZSH_VERSION-} in ?*) emulate -R zsh && trap - ZERR DEBUG ;; esac
    unalias -a 2>&-
    case $lambwire_readonly in *IFS*) ;; *) IFS=' ' ;; esac
    case $lambwire_readonly in *PATH*) ;; *) PATH=$lambwire_path ;; esac
    # yash takes bytes for text by the locale that it was started with.
    case $lambwire_readonly${YASH_VERSION-} in
    *LC_ALL*) ;;
    *[0-9]*) LC_ALL=$lambwire_lang ;;
    *) LC_ALL=C ;;
    esac
    export PATH LC_ALL
}

# Takes note of what the script has made readonly: to set that would end the shell.
lambwire_find_readonly() {
    lambwire_readonly='IFS PATH LC_ALL POSIXLY_CORRECT' lambwire_part=
    for lambwire_name in IFS PATH LC_ALL POSIXLY_CORRECT RANDOM _X_AMZN_TRACE_ID; do
        (lambwire_hush; unset "$lambwire_name") || lambwire_part=$lambwire_part.$lambwire_name
    done
    lambwire_readonly=$lambwire_part
}

# In a subshell: what shells say goes nowhere. There may be no /dev/null.
lambwire_hush() {
    lambwire_clean
    exec 2>&-
}

# `printf` is no part of mksh, and a program takes no long argument.
case ${KSH_VERSION-} in
'') lambwire_print() { printf %s "$1"; } ;;
*) lambwire_print() { print -rn -- "$1"; } ;;
esac

# busybox's sed, and who knows which others, read a line before they end with the one before it.
case $(sed --version 2>&1) in *'(GNU sed)'*) lambwire_ahead= ;; *) lambwire_ahead=$lambwire_newline ;; esac

# --- Context

# The text of a string in JSON that begins behind its first quotation mark; sets `lambwire_text`.
lambwire_unescape() {
    lambwire_text= lambwire_rest=$1
    while :; do
        lambwire_part=${lambwire_rest%%[\\\"]*}
        lambwire_text=$lambwire_text$lambwire_part
        lambwire_rest=${lambwire_rest#"$lambwire_part"}
        case $lambwire_rest in
        '\u'*) lambwire_unescape_code ;;
        '\'[bfnrt]*) lambwire_text="$lambwire_text " lambwire_rest=${lambwire_rest#??} ;;
        '\'*)
            lambwire_rest=${lambwire_rest#?}
            lambwire_part=${lambwire_rest%"${lambwire_rest#?}"}
            lambwire_text=$lambwire_text$lambwire_part lambwire_rest=${lambwire_rest#?}
            ;;
        *) return ;;
        esac
    done
}

# The same for an escape such as \u00e9. What is beyond ASCII comes as it is, but for what nobody can see.
lambwire_unescape_code() {
    lambwire_rest=${lambwire_rest#??}
    lambwire_part=${lambwire_rest%"${lambwire_rest#????}"}
    lambwire_rest=${lambwire_rest#????}
    case $lambwire_part in
    00[2-7]?) lambwire_text=$lambwire_text$(printf "\\$(printf %o "$((0x$lambwire_part))")") ;;
    *) lambwire_text="$lambwire_text " ;;
    esac
}

# What a function may ask: how long the invocation may last, in milliseconds.
get_remaining_time_in_millis() (
    lambwire_deadline=${lambwire_context#*'"deadline_ms":'}
    lambwire_deadline=${lambwire_deadline%%[!0-9]*}
    lambwire_now=${EPOCHREALTIME-}
    lambwire_clean
    case $lambwire_now in
    *[.,]???*)
        lambwire_part=${lambwire_now#*[.,]}
        lambwire_now=${lambwire_now%%[.,]*}${lambwire_part%"${lambwire_part#???}"}
        ;;
    # There are `date`s that know seconds alone.
    *)
        lambwire_now=$(date +%s%3N)
        case $lambwire_now in *[!0-9]*) lambwire_now=$(date +%s)999 ;; esac
        ;;
    esac
    lambwire_left=$((${lambwire_deadline:-0} - lambwire_now))
    case $lambwire_left in -*) lambwire_left=0 ;; esac
    lambwire_print "$lambwire_left$lambwire_newline"
)

# --- Frames

# How many bytes a text has. Not every shell can be brought to count bytes.
lambwire_length() {
    case ${#lambwire_letter} in
    2) lambwire_bytes=${#1} ;;
    *) lambwire_bytes=$(($(lambwire_print "$1" | wc -c))) ;;
    esac
}

# Writes a frame: its kind, its id and its body.
lambwire_write() {
    lambwire_length "$3"
    case $lambwire_bytes${3:+text} in
    # `wc` could not be started.
    0text) lambwire_id=$2 && eval "$lambwire_guard" ;;
    *) lambwire_print "$1 $2 $lambwire_bytes$lambwire_newline$3" >&8 ;;
    esac
}

# Reads a line as it is. Where IFS is readonly, `read` may take what stands in it from the end, and another shell has to.
lambwire_read() {
    case $lambwire_readonly in
    *IFS*) lambwire_line=$(sh -c 'IFS= read -r line && printf "%s\n" "$line"' <&7) ;;
    *) read -r lambwire_line <&7 ;;
    esac
}

# Waits for the next frame, and prints its kind and id, its length, the trace and the context.
lambwire_receive() {
    lambwire_clean
    # Not into words, which IFS may not part here.
    lambwire_read || exit 1
    lambwire_trace=- lambwire_size=${lambwire_line##*' '} lambwire_head=${lambwire_line%' '*} lambwire_line=
    case $lambwire_head in *' 0') ;; *) lambwire_read ;; esac
    lambwire_context=$lambwire_line
    # The first is ours: those of the caller come later.
    lambwire_part=${lambwire_context#*'"trace_id":'}
    case $lambwire_part in '"'*) lambwire_unescape "${lambwire_part#?}" && lambwire_trace="=$lambwire_text" ;; esac
    {
        lambwire_print "${lambwire_head%' '*}$lambwire_newline$lambwire_size$lambwire_newline"
        lambwire_print "$lambwire_trace$lambwire_newline$lambwire_context"
    } >&3
}

# Prints the event that comes after that, with a dot behind it: the ends of lines at the end of an output are lost. To part it from
# a long context would take shells the square of the context's length.
lambwire_receive_event() {
    lambwire_clean
    case ${LAMBWIRE_BYTES:+bytes} in bytes) ;; *) head -c "$lambwire_size" <&7 ;; esac >&3 || eval "$lambwire_guard"
    lambwire_print . >&3
}

# --- Reports

lambwire_escape() {
    lambwire_print "$1" | sed 's/["\\]/\\&/g' | tr '\001-\037' ' '
}

# Tells an error: the kind of the frame, its id, the type and the message.
lambwire_report() {
    lambwire_write "$1" "$2" "{\"errorType\":\"$3\",\"errorMessage\":\"$(lambwire_escape "$4")\",\"stackTrace\":[]}"
}

# Tells what ends the worker: an id, the type and a message in ASCII. That takes no programs, which might be missing.
lambwire_fail() {
    lambwire_part="{\"errorType\":\"$2\",\"errorMessage\":\"$3\",\"stackTrace\":[]}"
    lambwire_print "fatal $1 ${#lambwire_part}$lambwire_newline$lambwire_part" >&8
}

# What a subshell traps its end with until it has done its work: shells that cannot start a program end, or go on without.
lambwire_guard='lambwire_fail "$lambwire_id" Runtime.WorkerLost "the shell cannot start a program"'

# --- Load

lambwire_check() {
    lambwire_clean
    for lambwire_part in head sed tr cat wc; do
        case $(command -v "$lambwire_part") in '') lambwire_missing=$lambwire_part ;; esac
    done
    case ${lambwire_missing+missing} in missing)
        lambwire_fail - Runtime.NoProgram "the worker for shells needs $lambwire_missing, which is not in PATH"
        exit 1
        ;;
    esac
}

# In a subshell: says that the function is there, and what the script wants besides.
lambwire_ready() {
    lambwire_part=$(command -v "$lambwire_function")
    case $lambwire_part in
    "$lambwire_function") ;;
    *)
        lambwire_report fatal - Runtime.HandlerNotFound "no function $lambwire_function in $lambwire_file"
        exit 1
        ;;
    esac
    lambwire_part=
    # Some shells list no traps in a subshell.
    case $1$(sed -n '/^[^#]*trap /p' "$lambwire_file") in *TERM* | *' 15'*) lambwire_part=',"sigterm":true' ;; esac
    case $(command -v before_snapshot)$(command -v after_restore) in ?*) lambwire_part="$lambwire_part,\"snapshot\":true" ;; esac
    case ${LAMBWIRE_BYTES:+bytes} in bytes) lambwire_part="$lambwire_part,\"bytes\":true" ;; esac
    case $lambwire_part in ?*) lambwire_part="{${lambwire_part#,}}" ;; esac
    lambwire_write ready - "$lambwire_part"
}

# --- Invocations

# Takes apart what was received, and has the function answer. The event is its first argument and its standard input,
# the context its second argument. A pipe leads from the function to the answer. It has an end that differs from the
# end of the pipe: a job that is left in the background may hold that open, and what it writes later goes to the log.
lambwire_invoke() {
    lambwire_id=${lambwire_head#event }
    lambwire_size=${lambwire_frame%%"$lambwire_newline"*} lambwire_frame=${lambwire_frame#*"$lambwire_newline"}
    lambwire_trace=${lambwire_frame%%"$lambwire_newline"*} lambwire_frame=${lambwire_frame#*"$lambwire_newline"}
    lambwire_context=$lambwire_frame lambwire_frame= lambwire_event=$(lambwire_receive_event 3>&1 >&2)
    lambwire_event=${lambwire_event%.} lambwire_turn=$((lambwire_turn + 1))
    # Some shells have the same random numbers in each subshell, unless one is drawn here.
    lambwire_random=${RANDOM-}
    case ${LAMBWIRE_BYTES:+bytes}${#lambwire_event} in
    bytes* | "$lambwire_size") lambwire_status=0 ;;
    *) (lambwire_is_whole) && lambwire_status=0 || lambwire_status=1 ;;
    esac
    case $lambwire_status in
    0)
        (lambwire_feed) | {
            (lambwire_call) 7<&- 8>&-
            (lambwire_mark "$?")
        } | (lambwire_answer)
        # It may have told nothing. A signal that has stopped it meanwhile is no failure, though it is to zsh.
        case $? in [1-9] | 12?) exit 1 ;; esac
        ;;
    esac
    lambwire_event=
}

# Whether the event is what was sent, or else the error that it is not.
lambwire_is_whole() {
    lambwire_clean
    lambwire_length "$lambwire_event"
    case $lambwire_bytes in "$lambwire_size") return 0 ;; esac
    lambwire_report error "$lambwire_id" Runtime.UnmarshalError "the event of $lambwire_size bytes is $lambwire_bytes bytes \
long in a variable, which holds no NUL: set LAMBWIRE_BYTES=1 in $lambwire_file, and read the event from standard input"
    return 1
}

# Writes the event into a pipe that the function need not read.
lambwire_feed() {
    lambwire_clean
    case ${LAMBWIRE_BYTES:+bytes}$lambwire_size in
    # What is left of it would be taken for the next event. That is told before the function's end, which waits for this; where
    # nobody is left to read it, as a signal says in shells' three ways, there is no such end. A trap on errors hears nothing.
    bytes*)
        trap "$lambwire_guard" EXIT
        head -c "$lambwire_size" <&7 && lambwire_part=0 || lambwire_part=$?
        case $lambwire_part in 0 | 141 | 269 | 397) trap - EXIT ;; esac
        ;;
    # As much as a pipe holds, so that nobody has to wait.
    ? | ?? | ??? | [123]???) lambwire_print "$lambwire_event" ;;
    *) lambwire_print "$lambwire_event" & ;;
    esac 2>&-
}

# In a subshell as the script has left it.
lambwire_call() {
    case $lambwire_readonly/$lambwire_trace/${BASH_VERSION-} in
    *_X_AMZN_TRACE_ID*/*/*) ;;
    */=*/) _X_AMZN_TRACE_ID=${lambwire_trace#?} && export _X_AMZN_TRACE_ID ;;
    # A function of that name may print. Elsewhere there is none, and yash may have no descriptor left for this.
    */=*) _X_AMZN_TRACE_ID=${lambwire_trace#?} && export _X_AMZN_TRACE_ID >&2 ;;
    esac
    case $lambwire_flags in *e*) set -e ;; esac
    case $lambwire_flags in *u*) set -u ;; esac
    case $lambwire_flags in *a*) set -a ;; esac
    case $lambwire_flags in *v*) set -v ;; esac
    case $lambwire_flags in *x*) set -x ;; esac
    case $lambwire_flags in *=*) setopt errreturn ;; esac
    case $lambwire_flags in *:*) setopt globassign ;; esac
    "$lambwire_function" "$lambwire_event" "$lambwire_context"
    # If this were the call, zsh would wait for the jobs in the background.
    return "$?"
}

# Says that the function has ended, and with which status.
lambwire_mark() {
    lambwire_clean
    # What the function has not read must not be taken for the next event. Not every shell waits for all of a pipeline.
    case ${LAMBWIRE_BYTES:+bytes} in bytes) lambwire_part=$(wc -c) || exit 1 ;; esac
    lambwire_print "${lambwire_newline}lambwire-end $$ $lambwire_turn $1$lambwire_newline$lambwire_ahead"
}

lambwire_answer() {
    lambwire_clean
    trap "$lambwire_guard" EXIT
    # A variable would lose a NUL without a word. What stands for it is replaced by another byte that is in no text.
    lambwire_text=$(sed "/^lambwire-end $$ $lambwire_turn [0-9]*\$/q" | tr '\000\377' '\377\376')
    # yash loses all from the first byte on that is in no text. In bash and zsh, a trap on errors may end the shell around
    # the function, too: an event may not have been read to its end then, and another worker has to take the next.
    case $lambwire_text in
    *"${lambwire_newline}lambwire-end $$ $lambwire_turn "*) lambwire_status=${lambwire_text##*" "} ;;
    *)
        lambwire_status=${YASH_VERSION:+lost} lambwire_status=${lambwire_status:-unknown: a trap has ended its shell}
        lambwire_kind=${LAMBWIRE_BYTES:+fatal}
        ;;
    esac
    lambwire_text=${lambwire_text%"$lambwire_newline"lambwire-end *}
    while :; do
        case $lambwire_text in *"$lambwire_newline") lambwire_text=${lambwire_text%"$lambwire_newline"} ;; *) break ;; esac
    done
    case "$lambwire_status${lambwire_nul:+.$lambwire_text}" in
    lost*) lambwire_report error "$lambwire_id" Runtime.MarshalError 'the answer has a NUL, or is no text' ;;
    0.*"$lambwire_nul"*) lambwire_report error "$lambwire_id" Runtime.MarshalError 'the answer has a NUL, which no variable of a shell holds' ;;
    0 | 0.*) lambwire_write text "$lambwire_id" "$lambwire_text" ;;
    *) lambwire_report "${lambwire_kind:-error}" "$lambwire_id" Function.ExitStatus "$lambwire_function exited with status $lambwire_status" ;;
    esac
    trap - EXIT
    # A job in the background has an empty standard input, wherever this one leads.
    exec 3<&0
    cat <&3 >&2 7<&- 8>&- &
    # Lest zsh wait for that.
    exit 0
}

# --- Hooks

# They run in this shell, since what they change is to last.
lambwire_hook() {
    case $lambwire_head in
    before-snapshot*) lambwire_hooked=before_snapshot ;;
    after-restore*) lambwire_hooked=after_restore && lambwire_renew_random ;;
    # What an event that failed has left, which is no frame.
    *) exit 1 ;;
    esac
    lambwire_status=0
    case $(lambwire_clean && command -v "$lambwire_hooked") in
    '') ;;
    *)
        "$lambwire_hooked" >&2 7<&- 8>&- || lambwire_status=$?
        lambwire_find_readonly
        # One may have made PATH readonly.
        (lambwire_check) || exit 1
        ;;
    esac
    (lambwire_write_hook)
}

# Whoever is started from the same snapshot has the same state.
lambwire_renew_random() {
    case $lambwire_readonly${RANDOM-} in
    *RANDOM* | "$lambwire_readonly${RANDOM-}") ;;
    # Some 40 of these bytes are digits.
    *) RANDOM=1$(lambwire_clean && head -c 1024 /dev/urandom | tr -dc 0-9 | head -c 4) ;;
    esac
}

lambwire_write_hook() {
    lambwire_clean
    case $lambwire_status in
    0) lambwire_write 'done' - '' ;;
    *) lambwire_report error - Function.ExitStatus "$lambwire_hooked exited with status $lambwire_status" ;;
    esac
}

# --- Main loop

# In a subshell: whether a frame was received. zsh takes one that was stopped meanwhile, as by a freeze, for one that failed.
lambwire_has_frame() {
    lambwire_clean
    case $lambwire_frame in '') exit 1 ;; esac
}

lambwire_main() {
    lambwire_part=$(trap)
    (lambwire_check && lambwire_ready "$lambwire_part") || exit 1
    # What a trap prints, or the trace of what is executed, does not come among what is received.
    while lambwire_frame=$(lambwire_receive 3>&1 >&2) || (lambwire_has_frame); do
        lambwire_head=${lambwire_frame%%"$lambwire_newline"*} lambwire_frame=${lambwire_frame#*"$lambwire_newline"}
        case $lambwire_head in
        event\ *) lambwire_invoke ;;
        *) lambwire_hook ;;
        esac
    done
}

# In a subshell: whether a standard stream is open.
lambwire_is_open() {
    lambwire_clean
    case $1 in
    0) exec 3<&0 ;;
    1) exec 3>&1 ;;
    *) exec 3>&2 ;;
    esac
}

# Runs the loop with all standard streams open, whichever the script has closed: a pipe would get the number of one that
# is not.
lambwire_serve() {
    (lambwire_is_open "$1") && lambwire_part=0 || lambwire_part=1
    case $1$lambwire_part in
    00) lambwire_serve 1 ;;
    0*) lambwire_serve 1 </dev/null ;;
    10) lambwire_serve 2 ;;
    1*) lambwire_serve 2 >/dev/null ;;
    20) lambwire_main ;;
    *) lambwire_main 2>/dev/null ;;
    esac
}

# A script that does not say what it is written for is run by sh, which may not even be able to read it, and ends.
lambwire_hint() {
    lambwire_clean
    case $(head -c 2 "$lambwire_file") in '#!') return ;; esac
    lambwire_print "$lambwire_file has no line such as #!/bin/bash, so that it is run by sh, unless --interpreter names another shell$lambwire_newline" >&2
}

(lambwire_check) || exit 1
case ${BASH_VERSION-}${KSH_VERSION-}${YASH_VERSION-}${ZSH_VERSION-} in '') trap '(lambwire_hint)' EXIT ;; esac
# Both are put back when this has ended, whatever the script does to them.
{ . "$lambwire_file"; } 7<&- 8>&-
lambwire_flags=$-
lambwire_hint() { :; }
# From here on there may be aliases, which nothing in quotation marks is.
"set" +aeuvx
# Two options of zsh's that have no letter, and would change what assignments and functions here do.
case ${ZSH_VERSION-} in
?*)
    [[ -o errreturn ]] && lambwire_flags=$lambwire_flags= && "unsetopt" errreturn
    [[ -o globassign ]] && lambwire_flags=$lambwire_flags: && "unsetopt" globassign
    ;;
esac
"lambwire_find_readonly"
"lambwire_serve" 0
