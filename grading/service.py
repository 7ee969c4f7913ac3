"""A grading service, for those who may not sandbox: an operator runs it, and it owns sandbox, key and gradebook.

    quintet serve --socket /run/quintet/grading --allow anna        # the operator
    QUINTET_SERVICE=/run/quintet/grading quintet grade 2_1_amp      # anna; so do nbgrader and formgrader's button

Theory of operation. Who asks sends one message, a lab's name and the students, and is told how it goes until the
records come; nothing of a submission travels, since both sides see the course's `submitted/` (the same disk, or a
volume mounted in both). One request is graded at a time, by the main thread, in the order of arrival; the stations stay
warm between them. What was graded is in the journal, so that a service or a client that is killed loses nothing: the
same question again gets the rest. A client that leaves does not stop its request.

Trust: only those on the list are heard, by the kernel's word on a socket file (SO_PEERCRED), by the course's
certificate over TLS; they may ask for grading and for an appeal and can give no code, path or key. Messages are JSON.
"""

import contextlib
import logging
import os
import pwd
import queue
import signal
import socket
import ssl
import stat
import struct
import threading
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from quintet_grading import GradingFault, Refusal, farm, grade
from quintet_grading.course import Course
from quintet_grading.job import Job, Outcome, receive, send

SECONDS = 10.0  # for a peer to say what it wants
CREDENTIALS = struct.Struct("3i")  # pid, uid, gid
GONE = "the grading service ended before it had answered: what it had graded is recorded, ask again for the rest"
log = logging.getLogger("quintet.service")


# ---- asking


def ask_to_grade(
    where: str, labs: list[str], course: Course, students: Iterable[str] | None, progress: farm.Watcher | None = None
) -> list[dict]:
    """`grade.grade` by the service. Raises Refusal with what it says, GradingFault where it cannot be reached."""
    students = None if students is None else sorted(students)
    return _ask(where, {"do": "grade", "labs": labs, "students": students}, course, progress)


def ask_to_appeal(where: str, course: Course, lab: str, student: str) -> list[dict]:
    """`grade.appeal` by the service."""
    return _ask(where, {"do": "appeal", "lab": lab, "student": student}, course)


def _ask(where: str, message: dict, course: Course, progress: farm.Watcher | None = None) -> list[dict]:
    with _connect(where) as sock:
        try:
            with contextlib.suppress(BrokenPipeError):  # refused before we have asked: why can be read all the same
                send(sock, {**message, "submitted": str(course.submitted_folder)})
            while True:
                match receive(sock):
                    case {"records": records}:
                        return records
                    case {"refused": text, "ours": ours}:
                        raise (GradingFault if ours else Refusal)(text)
                    case {"note": text} if progress is not None:
                        progress.note(text)
                    case {"done": [lab, student, state]} if progress is not None:
                        progress.done(Job(student, lab, "", ""), Outcome(state))
        except (OSError, EOFError) as error:
            raise GradingFault(GONE) from error


def _connect(where: str) -> socket.socket:
    try:
        if "://" not in where:
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(where)
            return sock
        url = _tls(where)
        context = _context(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the certificate is the course's, not a host's
        sock = socket.create_connection((url.hostname, url.port), SECONDS)
        sock = context.wrap_socket(sock)
        sock.settimeout(None)
        return sock
    except OSError as error:
        raise GradingFault(
            f"the grading service at {where} (QUINTET_SERVICE) does not answer, ask its operator: {error}"
        ) from error


def _tls(where: str):
    url = urlsplit(where)
    if url.scheme != "tls" or not url.hostname or url.port is None:
        raise Refusal(f"{where!r} is no service's address: give the path of its socket, or tls://HOST:PORT")
    return url


def _context(protocol: int) -> ssl.SSLContext:
    """Both sides show the course's certificate."""
    paths = farm.certificates()
    if paths is None:
        raise Refusal(
            "a service over TLS needs QUINTET_TLS_CA, QUINTET_TLS_CERT and QUINTET_TLS_KEY: see grading/farm.md"
        )
    ca, cert, key = paths
    context = ssl.SSLContext(protocol)
    context.load_verify_locations(ca)
    context.load_cert_chain(cert, key)
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


# ---- serving


@dataclass
class _Request:
    """What was asked, and the socket on which it is answered; a farm.Watcher that tells the client."""

    sock: socket.socket
    who: str
    message: dict

    def tell(self, answer: dict) -> None:
        try:
            send(self.sock, answer)
        except OSError:  # it left or does not listen; its request goes on
            self.sock.close()

    def done(self, job: Job, outcome: Outcome) -> None:
        self.tell({"done": [job.lab, job.student, outcome.state]})

    def note(self, text: str) -> None:
        self.tell({"note": text})


class Service:
    """Listens on the places given and grades into `course` with `options`, until it is interrupted.

    users: the user ids that may ask over a socket file; root and whoever runs the service may always.
    """

    def __init__(self, course: Course, options: grade.Options | None = None, users: Iterable[int] = ()):
        self.course, self.options = course, options or grade.Options()
        self.users = {0, os.geteuid(), *users}
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Service":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def listen(self, where: str) -> None:
        """Accept connections at a socket's path or tls://HOST:PORT, in a thread. Raises Refusal for a place that is
        taken."""
        try:
            listener, context = self._open(where)
        except OSError as error:
            raise Refusal(
                f"no service can listen at {where}, choose another place: {error.strerror or error}"
            ) from error
        self._stack.callback(listener.close)
        threading.Thread(target=self._accept, args=(listener, context), daemon=True).start()
        log.info("listening at %s", where)

    def _open(self, where: str) -> tuple[socket.socket, ssl.SSLContext | None]:
        if "://" in where:
            url = _tls(where)
            return socket.create_server((url.hostname, url.port)), _context(ssl.PROTOCOL_TLS_SERVER)
        listener = self._stack.enter_context(socket.socket(socket.AF_UNIX))
        _remove_dead(Path(where))
        listener.bind(where)
        self._stack.callback(Path(where).unlink, missing_ok=True)
        os.chmod(where, 0o666)  # who connects is looked at, below
        listener.listen()
        return listener, None

    def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._hear, args=(sock, context), daemon=True).start()

    def _hear(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        """A peer's one question, into the queue."""
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: sock.close())
            with contextlib.suppress(OSError, EOFError, ValueError, KeyError, MemoryError):
                sock.settimeout(SECONDS)
                if context is not None:
                    sock = context.wrap_socket(sock, server_side=True)
                    who = "a holder of the course's certificate"
                else:
                    _, uid, _ = CREDENTIALS.unpack(
                        sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size)
                    )
                    who = _name(uid)
                    if uid not in self.users:
                        log.warning("refused: %s", who)
                        _Request(sock, who, {}).tell({
                            "refused": f"{who} may not grade here: the operator of the service can `--allow {who}`",
                            "ours": False,
                        })  # fmt: skip
                        return
                request = _Request(sock, who, receive(sock))
                stack.pop_all()
                self._requests.put(request)

    def run(self) -> None:
        """Answer requests one after the other, in this thread, which must be the main one. Ends with farm.Stopped or
        KeyboardInterrupt on Ctrl-C or SIGTERM."""
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
        while True:
            try:
                request = self._requests.get(timeout=1.0)
            except queue.Empty:
                continue
            try:
                log.info("%s asks: %s", request.who, {k: v for k, v in request.message.items() if k != "submitted"})
                request.tell(self._answer(request))
            finally:
                request.sock.close()

    def _answer(self, request: _Request) -> dict:
        try:
            self._check(request.message)
            match request.message:
                case {"do": "grade", "labs": [*labs], "students": students}:
                    options = replace(self.options, students=students)
                    return {"records": grade.grade(labs, self.course, options, request)}
                case {"do": "appeal", "lab": str(lab), "student": str(student)}:
                    return {"records": grade.appeal(self.course, lab, student, self.options)}
            raise Refusal("the service does not know this question: it may be of another version of Quintet")
        except farm.Stopped:
            raise  # the client sees the connection end
        except Refusal as error:
            return {"refused": str(error), "ours": isinstance(error, GradingFault)}
        except Exception as error:  # noqa: BLE001 one request must not end the service
            log.exception("a request failed")
            return {"refused": f"the service failed: {type(error).__name__}: {error}", "ours": True}

    def _check(self, message: dict) -> None:
        theirs, ours = message.get("submitted"), str(self.course.submitted_folder)
        if theirs != ours:
            raise Refusal(
                f"the service grades what lies in {ours}, and this command looks at {theirs}: set QUINTET_COURSE"
            )
        names = [*message.get("labs", []), *(message.get("students") or [])]
        if not all(isinstance(name, str) for name in names):
            raise Refusal("labs and students are given by name")


def _remove_dead(path: Path) -> None:
    """A socket that a killed service left. One that answers, or a file of another kind, is left alone."""
    with contextlib.suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()


def _uid(sock: socket.socket) -> int:
    """Of the process that connected, as the kernel knows it."""
    return CREDENTIALS.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, CREDENTIALS.size))[1]


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def users(names: Iterable[str]) -> list[int]:
    """Their ids. Raises Refusal for one whom this machine does not know."""
    found = []
    for name in names:
        try:
            found.append(int(name) if name.isdigit() else pwd.getpwnam(name).pw_uid)
        except KeyError:
            raise Refusal(f"this machine knows no user {name}: give a name or a number to --allow") from None
    return found
