;; lambwire-worker: extension=scm interpreter=guile interpreter=guile3.0 option=--no-auto-compile option=-s
;; The worker for a procedure in Guile: `(define (handler event context) ...)`. It speaks the worker protocol
;; (docs/worker-protocol.md). Guile brings no JSON: event and context are its text, and so is what is returned, but for
;; a symbol, number or boolean; the (json) module of guile-json makes an alist of it. With LAMBWIRE_BYTES, the event is a
;; bytevector, and one that is returned is sent as it stands. The file is loaded into a module of its own, so that its
;; definitions are not those of this file.

(use-modules (ice-9 binary-ports) (ice-9 rdelim) (rnrs bytevectors) (srfi srfi-1) (srfi srfi-13))

(define (port-of name mode)
  (let* ((number (string->number (getenv (string-append "LAMBWIRE_" name "_FD"))))
         (port (fdopen number mode)))
    (fcntl number F_SETFD FD_CLOEXEC)
    (setvbuf port 'block 65536)
    port))

(define events (port-of "EVENTS" "rb"))
(define answers (port-of "ANSWERS" "wb"))
(define file (getenv "LAMBWIRE_FILE"))
(define name (getenv "LAMBWIRE_FUNCTION"))
(define pid (getpid))
(for-each unsetenv '("LAMBWIRE_EVENTS_FD" "LAMBWIRE_ANSWERS_FD" "LAMBWIRE_FILE" "LAMBWIRE_FUNCTION"))

;; --- Frames

(define (read-bytes count)
  (let ((bytes (if (zero? count) (make-bytevector 0) (get-bytevector-n events count))))
    (if (eof-object? bytes) (make-bytevector 0) bytes)))

;; Kind, id, and the bytes of context and body of the next frame; #f at the end.
(define (receive-frame)
  (let ((head (read-line events)))
    (and (string? head)
         (let* ((words (string-split head #\space))
                (context (read-bytes (string->number (third words))))
                (body (read-bytes (string->number (fourth words)))))
           (list (first words) (second words) context body)))))

;; The body is text or bytes.
(define (write-frame kind id body)
  ;; A child that was forked by the handler, and has come out of it, has nothing to say.
  (unless (= (getpid) pid) (primitive-_exit 0))
  (let ((body (if (string? body) (string->utf8 body) body)))
    (put-bytevector answers (string->utf8 (format #f "~a ~a ~a\n" kind id (bytevector-length body))))
    (put-bytevector answers body)
    (force-output answers)))

;; --- Reports

(define (quoted text)
  (call-with-output-string
    (lambda (out)
      (display "\"" out)
      (string-for-each
        (lambda (char)
          (cond ((memv char '(#\" #\\)) (format out "\\~a" char))
                ((char<? char #\space)
                 (format out "\\u~a" (string-pad (number->string (char->integer char) 16) 4 #\0)))
                (else (display char out))))
        text)
      (display "\"" out))))

(define (report type message)
  (format #f "{\"errorType\":~a,\"errorMessage\":~a,\"stackTrace\":[]}" (quoted type) (quoted message)))

;; What was raised may be anything; what Guile itself raises has a key and arguments.
(define (report-of error)
  (if (exception? error)
      (let ((message (call-with-output-string
                       (lambda (out) (print-exception out #f (exception-kind error) (exception-args error))))))
        (report (symbol->string (exception-kind error)) (string-trim-both message)))
      (report "Error" (object->string error))))

(define (give-up text)
  (write-frame "fatal" "-" text)
  (exit 1))

;; --- Load

(define user (make-fresh-user-module))

(define (load-handler)
  (with-exception-handler
    (lambda (error) (give-up (report-of error)))
    (lambda () (save-module-excursion (lambda () (set-current-module user) (primitive-load file))))
    #:unwind? #t)
  (let ((found (module-variable user (string->symbol name))))
    (unless (and found (procedure? (variable-ref found)))
      (give-up (report "Runtime.HandlerNotFound" (string-append "no procedure " name " in " file))))
    found))

;; --- Invocations

;; The first is the trace of the invocation; a caller's context comes later.
(define (set-trace context)
  (let* ((key "\"trace_id\":\"")
         (other (string-contains context "\"trace_id\":null"))
         (at (string-contains context key)))
    (if (and at (or (not other) (< at other)))
        (let* ((from (+ at (string-length key)))
               (trace (let loop ((from from) (found '()))
                        (case (string-ref context from)
                          ((#\") (reverse-list->string found))
                          ((#\\) (loop (+ from 2) (cons (string-ref context (+ from 1)) found)))
                          (else => (lambda (char) (loop (+ from 1) (cons char found))))))))
          (setenv "_X_AMZN_TRACE_ID" trace))
        (unsetenv "_X_AMZN_TRACE_ID"))))

(define (text-of result)
  (cond ((string? result) result)
        ((boolean? result) (if result "true" "false"))
        ((or (number? result) (symbol? result)) (format #f "~a" result))
        (else (error "a handler returns text, a number, a symbol or a boolean, not" result))))

;; Whether the function's settings, or its file, ask for events byte for byte.
(define (wants-bytes)
  (let ((value (getenv "LAMBWIRE_BYTES"))) (and value (not (string-null? value)))))

(define (answer-of handler is-raw context event)
  (set-trace context)
  (let ((result ((variable-ref handler) (if is-raw event (utf8->string event)) context)))
    (if (and is-raw (bytevector? result)) (cons "bytes" result) (cons "text" (text-of result)))))

;; Context and event are bytes here: they may be no text, which is an error of this event.
(define (serve handler is-raw id context event)
  (let ((answer (with-exception-handler
                  (lambda (error)
                    (when (and (exception? error) (eq? (exception-kind error) 'quit)) (apply exit (exception-args error)))
                    (cons "error" (report-of error)))
                  (lambda () (answer-of handler is-raw (utf8->string context) event))
                  #:unwind? #t)))
    ;; The handler may have closed it.
    (false-if-exception (force-output (current-output-port)))
    (write-frame (car answer) id (cdr answer))))

;; --- Snapshots

;; Calls the procedure of the file that is named as the hook.
(define (run-hook kind)
  (let ((answer (with-exception-handler
                  (lambda (error) (cons "error" (report-of error)))
                  (lambda ()
                    ;; Every environment that starts from a snapshot would draw the same numbers.
                    (when (string=? kind "after-restore") (set! *random-state* (random-state-from-platform)))
                    (let ((hook (module-local-variable user (string->symbol kind))))
                      (when hook ((variable-ref hook))))
                    (cons "done" ""))
                  #:unwind? #t)))
    (write-frame (car answer) "-" (cdr answer))))

;; --- The end

;; How long a signal may be on its way when events have ended, in milliseconds.
(define signal-ms 500)
(define is-signalled #f)

;; Whether there is a handler of SIGTERM. When it has run, that is known here.
(define (handles-sigterm)
  (let ((own (car (sigaction SIGTERM))))
    (and (procedure? own)
         (sigaction SIGTERM (lambda (number) (own number) (set! is-signalled #t))))))

(define (await-signal)
  (do ((waited 0 (+ waited 10))) ((or is-signalled (>= waited signal-ms))) (usleep 10000)))

;; --- Main loop

(setvbuf (current-output-port) 'line)
(let* ((handler (load-handler)) (waits (handles-sigterm)) (is-raw (wants-bytes)) (json (lambda (it) (if it "true" "false"))))
  (write-frame "ready" "-" (format #f "{\"sigterm\":~a,\"bytes\":~a}" (json waits) (json is-raw)))
  (let loop ((frame (receive-frame)))
    (when frame
      (if (string=? (first frame) "event")
          (serve handler is-raw (second frame) (third frame) (fourth frame))
          (run-hook (first frame)))
      (loop (receive-frame))))
  (when waits (await-signal)))
