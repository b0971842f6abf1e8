"""What is logged, in every way."""

import logging
import sys
import threading
import warnings

logging.warning("while loading")
logging.basicConfig(level=logging.DEBUG, format="never seen")
named = logging.getLogger("own.logger")


def unconfigured(event, context):
    logging.debug("debug")
    logging.info("info")
    logging.warning("a %s", "warning")
    logging.error("error")


def levels(event, context):
    logging.getLogger().setLevel("INFO")
    named.info("info of a logger of its own")
    named.setLevel("ERROR")
    named.warning("not seen")
    logging.log(25, "between two levels")
    logging.critical({"a": "dict", "nested": [1]})


def exceptions(event, context):
    try:
        {}["none"]
    except KeyError:
        named.exception("caught %d", 1)


def extra(event, context):
    logging.error("with more", extra={"order": 7, "odd": {1}, "none": None, "é": "é"})
    logging.error("with a stack", stack_info=False)


def lines(event, context):
    logging.error("two\nlines")
    print("printed")
    print("printed", "in", "pieces", end="")
    print(" and ended")
    print("to stderr", file=sys.stderr)
    sys.stdout.write("written\n")


def several_lines(event, context):
    logging.error("two\nlines, \x00 and é")


def in_thread(event, context):
    thread = threading.Thread(target=logging.error, args=("in a thread",))
    thread.start()
    thread.join()


def root(event, context):
    handlers = logging.getLogger().handlers
    return [logging.getLogger().level, [type(each).__name__[:19] for each in handlers], [len(each.filters) for each in handlers]]


def formatter(event, context):
    """What many do to have their own format."""
    handler = logging.getLogger().handlers[0]
    handler.setFormatter(logging.Formatter("%(levelname)s|%(aws_request_id)s|%(message)s|"))
    logging.error("own format")
    print()


def redirected(event, context):
    import contextlib
    import io

    held = io.StringIO()
    with contextlib.redirect_stdout(held):
        logging.error("held")
        print("held")
    return held.getvalue().count("held")
