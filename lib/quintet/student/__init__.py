"""A student's work as a check sees it.

A check never touches a student's objects. It holds a `Student` (proxy.py), which asks a `Host` (host.py) that sits
beside the student's code. Every question and answer is packed to bytes and unpacked again (wire.py), also when both
sit in one process (`loopback`), so that a check which passes in the notebook passes across a process border:

    check ── Student ── frame ──▶ Host ── student's code
                     ◀── frame ──

Plain data (numbers, strings, lists, dicts, tensors, arrays) travels by value, everything else stays with the student
behind a `Ref`. Nothing is pickled or evaluated on the check's side, and every answer is a claim that the check must
test. This package imports no topic and no check: it is the only part of checking that exists where student code runs.
"""

from quintet.student.proxy import Died, Missing, NotWritten, Ref, Student, StudentError, TimedOut, Unfit, loopback

__all__ = ["Died", "Missing", "NotWritten", "Ref", "Student", "StudentError", "TimedOut", "Unfit", "loopback"]
