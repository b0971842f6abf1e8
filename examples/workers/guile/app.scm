(define (handler event context)
  (format #t "an event of ~a characters\n" (string-length event))
  (string-append "{\"got\":" event "}"))
