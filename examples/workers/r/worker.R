# lambwire-worker: extension=R interpreter=Rscript pipes=path option=--vanilla
# The worker for a function in R: `handler <- function(event, context) ...`. It speaks the worker protocol
# (docs/worker-protocol.md). JSON is read and written by the package jsonlite: an object is a list, a vector of one value
# is that value. With LAMBWIRE_BYTES, the event is a raw vector, and one that is returned is sent as it stands. Functions are called in an environment that holds nothing but what the file defines.

local({
  paths <- paste0("/proc/self/fd/", Sys.getenv(c("LAMBWIRE_EVENTS_FD", "LAMBWIRE_ANSWERS_FD")))
  # A handler may close all connections. Nothing of what is read waits in them. `e` keeps them from programs that a handler
  # starts, as what is inherited cannot be read: it is there to be opened.
  open_pipes <- function() {
    is_open <- function(connection) tryCatch(isOpen(connection), error = function(error) FALSE)
    if (!is_open(events)) events <<- file(paths[1], "reb", raw = TRUE)
    if (!is_open(answers)) answers <<- file(paths[2], "web", raw = TRUE)
  }
  events <- answers <- NULL
  open_pipes()
  file_name <- Sys.getenv("LAMBWIRE_FILE")
  name <- Sys.getenv("LAMBWIRE_FUNCTION")
  pid <- Sys.getpid()
  Sys.unsetenv(paste0("LAMBWIRE_", c("EVENTS_FD", "ANSWERS_FD", "FILE", "FUNCTION")))

  # --- Context

  context_of <- function(bytes) {
    context <- jsonlite::fromJSON(text_of(bytes), simplifyVector = FALSE)
    context$get_remaining_time_in_millis <- function() max(0, context$deadline_ms - as.numeric(Sys.time()) * 1000)
    context
  }

  # --- Frames

  read_bytes <- function(length) {
    bytes <- raw(0)
    while (length(bytes) < length) {
      piece <- readBin(events, "raw", length - length(bytes))
      if (length(piece) == 0) break
      bytes <- c(bytes, piece)
    }
    bytes
  }

  text_of <- function(bytes) {
    text <- rawToChar(bytes)
    Encoding(text) <- "UTF-8"
    text
  }

  # Byte by byte as far as the line goes: what lies behind it is read in one.
  read_head <- function() {
    head <- raw(0)
    repeat {
      byte <- readBin(events, "raw", 1)
      if (length(byte) == 0) return(NULL)
      if (byte == 0x0a) return(strsplit(rawToChar(head), " ", fixed = TRUE)[[1]])
      head <- c(head, byte)
    }
  }

  # The body is text or bytes.
  write_frame <- function(kind, id, body = "") {
    # A child that was forked by the handler, and has come out of it, has nothing to say.
    if (Sys.getpid() != pid) quit("no", 0, FALSE)
    open_pipes()
    if (!is.raw(body)) body <- charToRaw(enc2utf8(body))
    writeBin(c(charToRaw(sprintf("%s %s %d\n", kind, id, length(body))), body), answers)
    flush(answers)
  }

  json <- function(value) {
    as.character(jsonlite::toJSON(value, auto_unbox = TRUE, null = "null", na = "null", digits = I(17)))
  }

  # --- Reports

  report <- function(error, type = class(error)[1]) {
    call <- if (is.null(conditionCall(error))) list() else list(deparse(conditionCall(error))[1])
    # A condition of one's own may have anything for a message.
    message <- tryCatch(paste(unlist(conditionMessage(error)), collapse = " "), error = function(other) "")
    json(list(errorType = type, errorMessage = message, stackTrace = call))
  }

  give_up <- function(text) {
    write_frame("fatal", "-", text)
    quit("no", 1, FALSE)
  }

  # --- Load

  load <- function() {
    user <- new.env(parent = globalenv())
    tryCatch(sys.source(file_name, user), error = function(error) give_up(report(error)))
    if (!exists(name, user, mode = "function", inherits = FALSE)) {
      give_up(report(simpleError(paste("no function", name, "in", file_name)), "Runtime.HandlerNotFound"))
    }
    user
  }

  # --- Invocations

  # Context and event are bytes here: they may be no text, which is an error of this event. What a handler signals may be
  # another condition than an error, and it may ask for the top level, where the loop would have ended.
  serve <- function(user, is_raw, id, context, event) {
    failed <- function(error) list("error", report(error))
    answer <- withRestarts(tryCatch({
      context <- context_of(context)
      if (is.null(context$trace_id)) Sys.unsetenv("_X_AMZN_TRACE_ID")
      else Sys.setenv("_X_AMZN_TRACE_ID" = context$trace_id)
      if (!is_raw) event <- jsonlite::fromJSON(text_of(event), simplifyVector = FALSE)
      result <- get(name, user, mode = "function")(event, context)
      if (is_raw && is.raw(result)) list("bytes", result) else list("result", json(result))
    }, error = failed, interrupt = failed), abort = function() failed(simpleError("the handler was left by the restart 'abort'")))
    write_frame(answer[[1]], id, answer[[2]])
  }

  # --- Snapshots

  # Every environment that starts from a snapshot would draw the same numbers.
  renew_random <- function() {
    bytes <- readBin("/dev/urandom", "raw", 4)
    set.seed(sum(as.numeric(bytes) * 256^(0:3)) %/% 2)
  }

  # Calls the function of the file that is named as the hook.
  run_hook <- function(user, kind) {
    name <- chartr("-", "_", kind)
    answer <- tryCatch({
      if (kind == "after-restore") renew_random()
      if (exists(name, user, mode = "function", inherits = FALSE)) get(name, user, mode = "function")()
      list("done", "")
    }, error = function(error) list("error", report(error)))
    write_frame(answer[[1]], "-", answer[[2]])
  }

  # --- Main loop

  user <- load()
  is_raw <- Sys.getenv("LAMBWIRE_BYTES") != ""
  write_frame("ready", "-", if (is_raw) '{"bytes":true}' else "")
  while (!is.null(head <- read_head())) {
    context <- read_bytes(as.numeric(head[3]))
    event <- read_bytes(as.numeric(head[4]))
    if (head[1] == "event") serve(user, is_raw, head[2], context, event) else run_hook(user, head[1])
  }
})
