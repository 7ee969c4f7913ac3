"""What travels: a job to whoever judges a submission, an outcome back. Plain data, so that any transport will do.

    intake ──Job──▶ judge (sandboxed run ↔ referee) ──Outcome──▶ record

The states are a closed set. `limited`: the student's code or file ended it (a crash, a limit, no submission of this
lab), and what was earned stays. `ungraded`: our fault, to be tried again, never a zero.
"""

import hashlib
import json
import socket
import struct
from dataclasses import asdict, dataclass, field, replace

GRADED, LIMITED, UNGRADED = "graded", "limited", "ungraded"


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Seconds are of the wall clock, taken outside of the sandbox."""

    cell_seconds: float = 60.0
    check_seconds: float = 60.0
    total_seconds: float = 600.0
    start_seconds: float = 120.0  # for the libraries to be imported, once per lab and host
    memory_bytes: int = 4 * 2**30  # of one submission, all its processes together
    processes: int = 128  # and threads
    disk_bytes: int = 512 * 2**20  # of its working folder, which lies in memory
    output_chars: int = 100_000  # per cell

    def slower(self, factor: float) -> "Limits":
        """The same with `factor` times the time: a student's extra time."""
        names = ("cell_seconds", "check_seconds", "total_seconds")
        return replace(self, **{name: getattr(self, name) * factor for name in names})


@dataclass(frozen=True)
class Job:
    """One submission to judge.

    notebook: JSON as intake made it, locked cells restored; empty where the file is no submission: `reason` says why.
    notes: what intake found tampered with, for a person to read. submission: SHA-256 of the file as it was handed in.
    version: of everything else that decides the grade (lab, checks, environment, seeds).
    seed_key: secret, of this lab and deadline. sandboxed: only for code that is trusted may it be False. gpu: the lab
    needs one.
    """

    student: str
    lab: str
    submission: str
    version: str
    notebook: str = ""
    reason: str = ""
    notes: tuple[str, ...] = ()
    seed_key: bytes = field(default=b"", repr=False)
    limits: Limits = Limits()
    timestamp: str = ""  # when it was handed in, ISO 8601; empty: not known
    sandboxed: bool = True
    gpu: bool = False

    def as_dict(self) -> dict:
        return {**asdict(self), "seed_key": self.seed_key.hex()}

    @classmethod
    def from_dict(cls, d: dict) -> "Job":
        given = {"seed_key": bytes.fromhex(d["seed_key"]), "limits": Limits(**d["limits"]), "notes": tuple(d["notes"])}
        return cls(**{**d, **given})

    @property
    def key(self) -> str:
        """What the journal knows it by: the same submission under the same conditions is graded once."""
        parts = (self.student, self.lab, self.submission, self.version)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of a job. notebook: JSON, executed, outputs written by the referee; empty when ungraded.

    checks: `{id, points, max, findings: [{misconception, title, message}]}` for each check, in the notebook's order.
    """

    state: str
    reason: str = ""
    notebook: str = ""
    checks: tuple[dict, ...] = ()
    seconds: float = 0.0

    @classmethod
    def from_dict(cls, d: dict) -> "Outcome":
        return cls(**{**d, "checks": tuple(d["checks"])})


# ---- between processes that trust each other: one JSON text a message

SIZE = struct.Struct(">Q")


def send(sock: socket.socket, message: dict) -> None:
    text = json.dumps(message).encode()
    sock.sendall(SIZE.pack(len(text)) + text)


def receive(sock: socket.socket) -> dict:
    """One message. Raises EOFError where the other side has closed, OSError (a timeout, say) as the socket does."""
    (size,) = SIZE.unpack(_exactly(sock, SIZE.size))
    return json.loads(_exactly(sock, size))


def _exactly(sock: socket.socket, n: int) -> bytes:
    data = bytearray()
    while len(data) < n:
        part = sock.recv(min(n - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)
