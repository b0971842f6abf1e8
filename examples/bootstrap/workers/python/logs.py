# The root logger. A part of worker.py, which has it compiled when a handler imports `logging`.


def set_up_logging(logging):
    class LambdaLoggerFilter(logging.Filter):
        def filter(self, record):
            request_id, context = CONCURRENCY and own.get() or latest or (b"", None)
            record.aws_request_id, record.tenant_id = request_id.decode(), context and context.tenant_id
            return True

    class LambdaLoggerHandler(logging.Handler):
        def emit(self, record):
            text = self.format(record)
            write_record(text, getattr(record, "_frame_type", 0) or (with_level(TEXT_RECORD, record) if level or is_json else TEXT_RECORD))

    class JsonFormatter(logging.Formatter):
        def format(self, record):
            return log_line(logging, self, record)

    is_json = environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
    level = environ.get("AWS_LAMBDA_LOG_LEVEL", "").replace("TRACE", "DEBUG").upper()
    logging.Formatter.converter = gmtime
    text = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
    formatter = JsonFormatter(datefmt="%Y-%m-%dT%H:%M:%SZ") if is_json else logging.Formatter(text, "%Y-%m-%dT%H:%M:%S")
    handler = LambdaLoggerHandler()
    handler.setFormatter(formatter)
    handler.addFilter(LambdaLoggerFilter())
    root = logging.getLogger()
    if level in logging._nameToLevel:
        root.setLevel(level)
    root.addHandler(handler)


# Members of a record that are logged under other names, or not at all; what a call gave as `extra` is logged as it is.
RECORD_MEMBERS = set(
    """name msg args levelname levelno pathname filename module exc_info exc_text stack_info lineno funcName created msecs
    relativeCreated thread threadName processName process aws_request_id tenant_id _frame_type""".split()
)
encode_log = encoder(encode_basestring, str)


def with_level(kind, record):
    """The level is one above those of `logging`, which has none for the finest, and 0 where it is not known."""
    number = min(5, max(0, record.levelno // 10))
    return kind + (number and number + 1) * 4


def log_line(logging, formatter, record):
    record.levelno = min(50, max(0, record.levelno)) // 10 * 10
    record._frame_type = with_level(JSON_RECORD, record)
    record.levelname = logging.getLevelName(record.levelno)
    kind, error, at = record.exc_info or (None, None, None)
    line = {
        "timestamp": formatter.formatTime(record, formatter.datefmt),
        "level": record.levelname,
        "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
        "logger": record.name,
        "stackTrace": logging.traceback.format_tb(at) if record.exc_info else None,
        "errorType": kind.__name__ if record.exc_info else None,
        "errorMessage": str(error) if record.exc_info else None,
        "requestId": record.aws_request_id,
        "location": "%s:%s:%s" % (record.pathname, record.funcName, record.lineno) if record.exc_info else None,
        "tenantId": record.tenant_id,
    }
    extra = {name: value for name, value in vars(record).items() if name not in RECORD_MEMBERS and name not in line}
    return encode_log({name: value for name, value in [*line.items(), *extra.items()] if value is not None}) + "\n"
