"""Cases of a client program: each is a function that raises when something is not as it must be.

What is told is read by External.ts: a line a case, `ok NAME`, `not ok NAME: reason` or `skip NAME: reason`.
"""
import sys
import time
import traceback
import uuid


class Skip(Exception):
    """The client cannot do this."""


def topic_name(prefix):
    return "%s-%s" % (prefix, uuid.uuid4().hex[:12])


def expect(actual, expected, what="value"):
    if actual != expected:
        raise AssertionError("%s: expected %r, got %r" % (what, expected, actual))


def pause():
    """For conditions of `wait_for` that do not wait themselves."""
    time.sleep(0.02)


def wait_for(condition, what, seconds=30):
    """Calls `condition` until it gives something true; it must do a bounded wait of its own, such as a poll."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        result = condition()
        if result:
            return result
    raise AssertionError("%s: not within %d s" % (what, seconds))


def run(cases):
    """Runs (name, function) pairs in order."""
    for name, body in cases:
        started = time.monotonic()
        try:
            body()
            verdict = "ok %s" % name
        except Skip as reason:
            verdict = "skip %s: %s" % (name, reason)
        except Exception as error:  # whatever a client raises is the case's verdict
            at = traceback.extract_tb(sys.exc_info()[2])[-1]
            text = " ".join(str(error).split())
            verdict = "not ok %s: %s: %s (%s:%d)" % (name, type(error).__name__, text, at.filename, at.lineno)
        print("%s\t%.1f" % (verdict, time.monotonic() - started), flush=True)
