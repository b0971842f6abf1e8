# lambwire-worker: extension=tcl interpreter=tclsh pipes=path
# The worker for a function in Tcl: `proc handler {event context}`. It speaks the worker protocol
# (docs/worker-protocol.md). Tcl brings no JSON: event and context are its text, and so is what is returned; the `json`
# package of Tcllib makes a dict of it. With LAMBWIRE_BYTES, the event is bytes, and so is what is returned, if it can be. The
# loop is in an interpreter of its own, which the handler cannot reach.

namespace eval lambwire {
    variable events [open /proc/self/fd/$env(LAMBWIRE_EVENTS_FD) rb]
    variable answers [open /proc/self/fd/$env(LAMBWIRE_ANSWERS_FD) wb]
    variable file $env(LAMBWIRE_FILE) name $env(LAMBWIRE_FUNCTION) pid [pid]
    # Whether SIGTERM has come, and how long it may be on its way when events have ended, in milliseconds.
    variable is_signalled 0 signal_ms 500
    # Whether the function takes whatever comes.
    variable is_raw 0
    chan configure $events -buffersize 65536
    chan configure $answers -buffersize 65536
}

# --- Frames

# Kind, id, context and body of the next frame; nothing at the end.
proc lambwire::receive {} {
    variable events
    variable is_raw
    if {[gets $events head] < 0} { return {} }
    lassign [split $head] kind id context_length body_length
    set context [encoding convertfrom utf-8 [read $events $context_length]]
    set body [read $events $body_length]
    list $kind $id $context [expr {$is_raw ? $body : [encoding convertfrom utf-8 $body]}]
}

proc lambwire::write_frame {kind id {text ""}} {
    write_bytes $kind $id [encoding convertto utf-8 $text]
}

proc lambwire::write_bytes {kind id body} {
    variable answers
    variable pid
    # A child that was forked by the handler, with TclX, and has come out of it, has nothing to say.
    if {[pid] != $pid} { exit 0 }
    puts -nonewline $answers "$kind $id [string length $body]\n$body"
    flush $answers
}

# --- Reports

proc lambwire::quoted {text} {
    set escapes [list \\ \\\\ \" \\\" \n \\n \t \\t \r \\r]
    for {set code 0} {$code < 32} {incr code} {
        lappend escapes [format %c $code] [format {\u%04x} $code]
    }
    return "\"[string map $escapes $text]\""
}

# The type is the error code's first words, such as `POSIX ENOENT`. `break` and its like leave a handler without one, and
# a code of its own may be no list.
proc lambwire::report {message options} {
    set code NONE
    set info ""
    catch { set code [lrange [dict get $options -errorcode] 0 1] }
    catch { set info [dict get $options -errorinfo] }
    set type [expr {$code in {NONE ""} ? "Error" : [join $code .]}]
    set stack {}
    foreach line [lrange [split $info \n] 1 end] {
        set line [string trim $line]
        if {$line ne "" && ![string match {*lambwire*} $line]} { lappend stack [quoted $line] }
    }
    return "{\"errorType\":[quoted $type],\"errorMessage\":[quoted $message],\"stackTrace\":\[[join $stack ,]\]}"
}

proc lambwire::give_up {report} {
    write_frame fatal - $report
    exit 1
}

# --- Load

proc lambwire::load_handler {} {
    variable file
    variable name
    interp create handler
    # Its output is the log.
    foreach log {stdout stderr} { interp share {} $log handler }
    # But for what the function itself may have set.
    handler eval { array unset env {LAMBWIRE_[ACEF]*} }
    # A file that also runs by itself finds here that it is not what is run.
    handler eval [list set argv0 $::argv0]
    handler eval { set argv {}; set argc 0; set tcl_interactive 0 }
    handler eval { fconfigure stdout -buffering line -encoding utf-8; fconfigure stderr -encoding utf-8 }
    if {[catch { handler eval [list source -encoding utf-8 $file] } message options]} {
        give_up [report $message $options]
    }
    if {[handler eval [list info commands $name]] eq ""} {
        give_up "{\"errorType\":\"Runtime.HandlerNotFound\",\"errorMessage\":[quoted "no procedure $name in $file"]}"
    }
}

# --- Invocations

# The first is the trace of the invocation; a caller's context comes later.
proc lambwire::set_trace {context} {
    # Whoever has put something in the place of the environment will not look for it there.
    if {[regexp {"trace_id":(null|"((?:[^"\\]|\\.)*)")} $context whole value trace] && $value ne "null"} {
        catch { handler eval [list set env(_X_AMZN_TRACE_ID) [string map {\\\\ \\ \\\" \" \\/ /} $trace]] }
    } else {
        catch { handler eval { array unset env _X_AMZN_TRACE_ID } }
    }
}

# Whether the function's settings, or its file, ask for events byte for byte.
proc lambwire::wants_bytes {} {
    set value ""
    catch { set value [handler eval { set env(LAMBWIRE_BYTES) }] }
    expr {$value ne ""}
}

proc lambwire::serve {id context event} {
    variable name
    variable is_raw
    set_trace $context
    if {[catch { handler eval [list $name $event $context] } result options]} {
        write_frame error $id [report $result $options]
    } elseif {$is_raw && ![regexp {[^\u0000-\u00ff]} $result]} {
        write_bytes bytes $id $result
    } else {
        write_frame text $id $result
    }
}

# --- The end

# Whether there is a trap of SIGTERM, which Tcl has with TclX. That runs it in whichever interpreter is at work, and so
# that both of them have to know what it calls.
proc lambwire::handles_sigterm {} {
    if {[catch { handler eval { package present Tclx; signal get SIGTERM } } found]} { return 0 }
    lassign [lindex $found 0 1] action blocked code
    if {$action ne "trap"} { return 0 }
    interp alias {} lambwire_sigterm {} lambwire::run_trap $code
    handler alias lambwire_sigterm lambwire_sigterm
    handler eval { signal trap SIGTERM lambwire_sigterm }
    return 1
}

proc lambwire::run_trap {code} {
    variable is_signalled
    handler eval $code
    set is_signalled 1
}

proc lambwire::await_signal {} {
    variable is_signalled
    variable signal_ms
    for {set waited 0} {!$is_signalled && $waited < $signal_ms} {incr waited 10} { after 10 }
}

# --- Snapshots

# Every environment that starts from a snapshot would draw the same numbers.
proc lambwire::renew_random {} {
    set random [open /dev/urandom rb]
    binary scan [read $random 4] iu seed
    close $random
    handler eval [list expr srand($seed)]
}

# Calls the procedure of the file that is named as the hook.
proc lambwire::run_hook {kind} {
    set hook [string map {- _} $kind]
    if {[catch {
        if {$kind eq "after-restore"} { renew_random }
        if {[handler eval [list info commands $hook]] ne ""} { handler eval [list $hook] }
    } message options]} {
        write_frame error - [report $message $options]
    } else {
        write_frame done -
    }
}

# --- Main loop

lambwire::load_handler
set lambwire::waits [lambwire::handles_sigterm]
set lambwire::is_raw [lambwire::wants_bytes]
lambwire::write_frame ready - [format {{"sigterm":%s,"bytes":%s}} {*}[string map {0 false 1 true} "$lambwire::waits $lambwire::is_raw"]]
while {[set frame [lambwire::receive]] ne {}} {
    lassign $frame kind id context event
    if {$kind eq "event"} { lambwire::serve $id $context $event } else { lambwire::run_hook $kind }
    # Tcl keeps the text of an error, and with it what it was about.
    unset frame event context
}
if {$lambwire::waits} { lambwire::await_signal }
