"""Clusters that a test starts for itself and ends again: hosts, Dask with TLS between them, Slurm.

A *host* is a network and a host name of its own: a process (`cat`) that holds the namespaces and waits on a pipe. All
hosts hang by a cable each (a veth pair) on a bridge, the switch, which is in a namespace too: the machine's own network
has no part in it. When the test ends, or is killed, the pipe closes, the holders end and the kernel removes the rest.

*Slurm* is munged (a user of its own, a key of its own), slurmctld and slurmd, one node on loopback, free ports, all
files in a folder of its own; no systemd, no accounting. Ending slurmctld ends no job, so jobs are cancelled first.

Every process here is ended by its id, and asks the kernel to be killed when the test's own process is. What it started
then follows by itself: a Dask worker ends soon after its scheduler.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import psutil
from nbgrader.api import Gradebook

from quintet.student.jail import die_with_parent
from quintet_grading import bank
from quintet_grading.course import ROOT, Course
from quintet_grading.record import Journal

LAB = "2_1_amp"
QUINTET = Path(sys.executable).parent / "quintet"
DASK = Path(sys.executable).parent / "dask"
PACKAGES = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ip": "iproute2",
    "openssl": "openssl",
    "munged": "munge",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
    "sbatch": "slurm-wlm",
}
SUBNET = "10.86.0."
PORT = 8786  # of the scheduler, in a network where nobody else is
CLEAN = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"}


def missing(*commands: str) -> str:
    """Why these cannot run here, with the command that helps; empty when they can."""
    if sys.platform != "linux":
        return "needs Linux"
    packages = sorted({PACKAGES[c] for c in commands if not _which(c)})
    if packages:
        return f"needs {', '.join(packages)}: apt-get install --no-install-recommends {' '.join(packages)}"
    return "" if os.geteuid() == 0 else "needs root: namespaces and Slurm are started as root (make test-slurm)"


def missing_hosts() -> str:
    if reason := missing("unshare", "nsenter", "ip", "openssl"):
        return reason
    tried = subprocess.run(
        ["unshare", "--net", "--uts", "ip", "link", "add", "left", "type", "veth", "peer", "name", "right"],
        capture_output=True,
        text=True,
    )
    return f"this machine makes no virtual network: {tried.stderr.strip()}" if tried.returncode else ""


def _which(command: str) -> str | None:
    return shutil.which(command, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def until(true: Callable[[], object], seconds: float, what: str, log: Path | None = None):
    """The first truth that `true` returns. Raises TimeoutError with the end of `log`."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-3000:] if log and log.exists() else ""
            raise TimeoutError(f"{what}: not within {seconds:g} s\n{tail}")
        time.sleep(0.1)
    return found


@contextlib.contextmanager
def process(
    command: list[str], log: Path, env: dict[str, str] | None = None, patience: float = 10, **options
) -> Iterator[subprocess.Popen]:
    """A process with its output in `log`; ended with all that it started."""
    with log.open("ab") as out:
        started = subprocess.Popen(
            command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, env=env, preexec_fn=die_with_parent, **options
        )
    try:
        yield started
    finally:
        end(started, patience)


def end(started: subprocess.Popen, patience: float = 10) -> None:
    """Terminate, then kill; children that outlive their parent are killed as well."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(started.pid).children(recursive=True) if started.poll() is None else []
        started.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(patience)
        for left in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                left.kill()
        psutil.wait_procs(children, timeout=patience)
    if started.poll() is None:
        started.kill()
        started.wait(patience)


# ---- hosts


@dataclass(frozen=True)
class Host:
    """`name` in a network of its own, with `address` there."""

    name: str
    address: str
    pid: int

    def inside(self, *command: object) -> list[str]:
        """The command line that runs `command` on this host."""
        return ["nsenter", f"--target={self.pid}", "--net", "--uts", "--", *map(str, command)]

    def run(self, *command: object, **options) -> subprocess.CompletedProcess:
        return subprocess.run(self.inside(*command), **{"capture_output": True, "text": True, "timeout": 60, **options})

    def reaches(self, other: "Host") -> bool:
        """Whether packets come and go: a port where nobody listens refuses, and silence is none."""
        script = f"import socket; socket.create_connection(({other.address!r}, 9), timeout=2)"
        return "ConnectionRefusedError" in self.run(sys.executable, "-S", "-c", script).stderr


@dataclass
class Network:
    hosts: dict[str, Host]
    switch: Host

    def __getitem__(self, name: str) -> Host:
        return self.hosts[name]

    def cut(self, name: str) -> None:
        """Pull the host's cable at the switch: packets vanish, no connection is closed."""
        self._set(name, "down")

    def heal(self, name: str) -> None:
        self._set(name, "up")

    def _set(self, name: str, state: str) -> None:
        self.switch.run("ip", "link", "set", name, state, check=True)


@contextlib.contextmanager
def hosts(*names: str) -> Iterator[Network]:
    """Hosts on one switch; the names are their host names too, at most 15 characters."""
    with contextlib.ExitStack() as stack:
        switch = stack.enter_context(_host("switch", ""))
        _ip(switch, "link add bridge type bridge", "link set bridge up")
        found = {}
        for number, name in enumerate(names, 1):
            host = stack.enter_context(_host(name, f"{SUBNET}{number}"))
            _ip(switch, f"link add {name} type veth peer name eth0 netns {host.pid}",
                f"link set {name} master bridge", f"link set {name} up")  # fmt: skip
            _ip(host, "link set lo up", f"address add {host.address}/24 dev eth0", "link set eth0 up")
            found[name] = host
        yield Network(found, switch)


@contextlib.contextmanager
def _host(name: str, address: str) -> Iterator[Host]:
    holder = subprocess.Popen(["unshare", "--net", "--uts", "cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        ours = os.readlink("/proc/self/ns/uts")
        until(lambda: os.readlink(f"/proc/{holder.pid}/ns/uts") != ours, 10, f"no namespaces for {name}")
        host = Host(name, address, holder.pid)
        host.run("hostname", name, check=True)
        yield host
    finally:
        holder.stdin.close()
        end(holder)


def _ip(host: Host, *lines: str) -> None:
    host.run("ip", "-batch", "-", input="\n".join(lines), check=True)


# ---- Dask


# As grading/farm.md advises: who is silent is noticed soon, nothing is shown to those without a certificate.
SETTINGS = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL": "15s",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "10s",
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "15s",
    "DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION": "True",
}
QUIET = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


def certificates(folder: Path) -> dict[str, str]:
    """An authority and one certificate for all nodes, as environment variables for Quintet and for Dask itself."""
    new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj"
    for line in (
        f"{new} /CN=authority -keyout authority.key -out authority.pem",
        f"{new} /CN=node -CA authority.pem -CAkey authority.key -keyout node.key -out node.pem",
    ):
        subprocess.run(line.split(), cwd=folder, check=True, capture_output=True, timeout=60)
    ca, cert, key = (str(folder / name) for name in ("authority.pem", "node.pem", "node.key"))
    tls = {"QUINTET_TLS_CA": ca, "QUINTET_TLS_CERT": cert, "QUINTET_TLS_KEY": key}
    for role in ("SCHEDULER", "WORKER", "CLIENT"):
        tls[f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT"] = cert
        tls[f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY"] = key
    return {**tls, "DASK_DISTRIBUTED__COMM__TLS__CA_FILE": ca}


@contextlib.contextmanager
def dask_scheduler(host: Host, folder: Path, env: dict[str, str]) -> Iterator[str]:
    """A scheduler on `host`; yields its address once it listens."""
    address, ready = f"tls://{host.address}:{PORT}", folder / "scheduler.json"
    log = folder / "scheduler.log"
    command = (sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", address, *QUIET)
    with process(host.inside(*command, "--scheduler-file", ready), log, {**CLEAN, **env}):
        until(ready.exists, 60, "the scheduler did not start", log)
        yield address


@contextlib.contextmanager
def dask_worker(host: Host, address: str, folder: Path, env: dict[str, str]) -> Iterator[Path]:
    """A worker on `host` that is started anew whenever it ends, as an operator's supervisor does; yields its log."""
    log = folder / f"{host.name}.log"
    worker = (
        sys.executable, "-m", "distributed.cli.dask_worker", address, "--name", host.name, "--nthreads", "1",
        "--memory-limit", "0", "--local-directory", folder / host.name, "--death-timeout", "15", *QUIET,
    )  # fmt: skip
    again = ("sh", "-c", 'trap "kill \\$!; wait; exit" TERM; while :; do "$@" & wait $!; sleep 1; done', "sh")
    with process(host.inside(*again, *worker), log, {**CLEAN, **env}):
        until(lambda: log.exists() and "Registered to" in log.read_text(errors="replace"), 60,
              f"the worker on {host.name} did not register", log)  # fmt: skip
        yield log


WATCH = """
import json, sys, time
from distributed import Client

def look(dask_scheduler):
    return {str(w.name): [str(t.key) for t in w.processing] for w in dask_scheduler.workers.values()}

with Client(sys.argv[1], timeout=30) as client:
    while True:
        print(json.dumps(client.run_on_scheduler(look)), flush=True)
        time.sleep(0.1)
"""


@dataclass(frozen=True)
class Watch:
    """What the scheduler says several times a second: the tasks that each worker has, {worker: [task, …]}."""

    log: Path

    def all(self) -> list[dict[str, list[str]]]:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        lines = text[: text.rfind("\n") + 1].splitlines()  # the last may be half written
        return [json.loads(line) for line in lines if line.startswith("{")]

    def now(self) -> dict[str, list[str]]:
        return (self.all() or [{}])[-1]

    def had_work(self) -> set[str]:
        """The workers that had a task at any time."""
        return {worker for seen in self.all() for worker, tasks in seen.items() if tasks}


@contextlib.contextmanager
def watched(address: str, folder: Path, env: dict[str, str], host: Host | None = None) -> Iterator[Watch]:
    """Watch the scheduler at `address`, from `host` if it is in a network of its own."""
    watch = Watch(folder / "watch.log")
    words = [sys.executable, "-c", WATCH, address]
    with process(host.inside(*words) if host else words, watch.log, {**CLEAN, **env}):
        until(watch.all, 60, "the scheduler did not answer", watch.log)
        yield watch


# ---- Dask on loopback


def farm_environment(**extra: str) -> dict[str, str]:
    """This process's, with the tests' modules for workers to find."""
    found = os.pathsep.join([str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": found, **extra}


def advised() -> dict[str, str]:
    """The settings of Dask that farm.md tells to export."""
    text = (ROOT / "grading" / "farm.md").read_text(encoding="utf-8")
    found = dict(re.findall(r"^    export (DASK_\w+)=(\S+)$", text, re.MULTILINE))
    assert "DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL" in found
    return found


class Dask:
    """Scheduler and workers on loopback, with the settings that farm.md advises; ended by their ids."""

    def __init__(self, folder: Path, scheme: str = "tcp", tls: tuple[str, ...] = ()):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.tls = folder, tls
        self.address = f"{scheme}://127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen] = []

    def __enter__(self) -> "Dask":
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            family = [process]
            if process.poll() is None:
                family += psutil.Process(process.pid).children(recursive=True)
            for one in family:
                if psutil.pid_exists(one.pid):
                    os.kill(one.pid, signal.SIGKILL)
            process.wait(10)

    def scheduler(self) -> subprocess.Popen:
        scheme = ("--protocol", "tls") if self.tls else ()
        started = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port), *scheme)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and started.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return started
            time.sleep(0.05)
        raise AssertionError((self.folder / "dask.log").read_text())

    def worker(self, *words: str, nanny: bool = False, **extra: str) -> subprocess.Popen:
        how = ("--nthreads", "1", "--memory-limit", "0", "--local-directory", str(self.folder))
        return self._start(
            "worker", self.address, "--host", "127.0.0.1", *how, "--nanny" if nanny else "--no-nanny", *words, **extra
        )

    def registered(self, count: int) -> None:
        """Wait for the workers: on a busy machine one may have done all work before the other has started."""
        log = self.folder / "dask.log"
        until(lambda: log.read_text().count("Registered to") >= count, 60, f"not {count} workers", log)

    def _start(self, *words: str, **extra: str) -> subprocess.Popen:
        quiet = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")
        with open(self.folder / "dask.log", "ab") as log:
            how = {"stdout": log, "stderr": log, "cwd": self.folder, "env": farm_environment(**advised(), **extra)}
            process = subprocess.Popen([DASK, *words, *quiet, *self.tls], **how)
        self.processes.append(process)
        return process


# ---- Slurm


@dataclass(frozen=True)
class Slurm:
    folder: Path
    env: dict[str, str] = field(default_factory=dict)  # what Slurm's commands need to find it

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, env={**CLEAN, **self.env}, check=True, capture_output=True, text=True, timeout=60
        )
        return done.stdout

    def jobs(self, *states: str) -> list[int]:
        """The jobs that wait or run, or those in these states ("running")."""
        chosen = [f"--states={','.join(states)}"] if states else []
        return [int(line) for line in self.run("squeue", "--noheader", "--format=%A", *chosen).split()]

    def cancel(self, *jobs: int, signal: str | None = None) -> None:
        self.run("scancel", *([f"--signal={signal}", "--full"] if signal else []), *map(str, jobs))


@contextlib.contextmanager
def slurm(cpus: int = 2) -> Iterator[Slurm]:
    """A Slurm of one node, ready to take jobs."""
    with contextlib.ExitStack() as stack:
        # Not pytest's folder: munge's user could not enter it, and the name of a socket has 108 characters at most.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="quintet-slurm-")))
        folder.chmod(0o755)
        stack.enter_context(_munge(folder))
        conf = folder / "slurm.conf"
        conf.write_text(_conf(folder, cpus))
        found = Slurm(folder, {"SLURM_CONF": str(conf)})
        for daemon in ("slurmctld", "slurmd"):
            stack.enter_context(process([_which(daemon), "-D", "-f", str(conf)], folder / f"{daemon}.out", CLEAN))
        until(lambda: _idle(found), 60, "Slurm's node did not become idle", folder / "slurmd.log")
        stack.callback(_cancel_all, found)
        yield found


@contextlib.contextmanager
def _munge(folder: Path) -> Iterator[None]:
    home = folder / "munge"
    home.mkdir(mode=0o755)
    (home / "key").write_bytes(os.urandom(128))
    (home / "key").chmod(0o400)
    for path in (home, home / "key"):
        shutil.chown(path, "munge", "munge")
    command = ["setpriv", "--reuid=munge", "--regid=munge", "--clear-groups", _which("munged"), "--foreground"]
    files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
    command += [f"--{option}={home / name}" for option, name in files.items()]
    with process(command, folder / "munged.out", CLEAN):
        until((home / "socket").exists, 20, "munged did not start", folder / "munged.out")
        yield


def _conf(folder: Path, cpus: int) -> str:
    controller, node = _free_ports(2)
    name = socket.gethostname().split(".")[0]
    memory = psutil.virtual_memory().total // 2**20
    return f"""
ClusterName=quintet
SlurmctldHost={name}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1
KillWait=10
ReturnToService=2
NodeName={name} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} State=UNKNOWN
PartitionName=grading Nodes={name} Default=YES MaxTime=INFINITE State=UP
"""


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def _idle(found: Slurm) -> bool:
    try:
        return found.run("sinfo", "--noheader", "--format=%T").split() == ["idle"]
    except subprocess.CalledProcessError:  # the controller does not listen yet
        return False


def _cancel_all(found: Slurm) -> None:
    """End what still waits or runs: slurmd does not when it ends."""
    if jobs := found.jobs():
        found.cancel(*jobs)
        until(lambda: not found.jobs(), 30, "Slurm's jobs did not end", found.folder / "slurmd.log")


# ---- a class


CLASS = 10  # of the bank's cases; two more are written here
INTRUDER = f"""
import socket
try:
    socket.create_connection(("{SUBNET}1", {PORT}), timeout=5)
    print("it was reached")
except OSError:
    print("it was not reached")
"""
KEY = b"the same in every class: equal work gets equal grades".ljust(64)[:32]


def new_class(folder: Path) -> Course:
    """A course in which the bank's first cases are handed in, a student each; an intruder, who is right and looks for
    the scheduler; and a file that is no notebook. Its key is the same each time, so that grades can be compared."""
    course = Course(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "key").write_bytes(KEY)
    cases = bank.cases(LAB)[:CLASS]
    handed_in = {case.name: bank.submission(LAB, case) for case in cases}
    handed_in["intruder"] = bank.submission(LAB, cases[0])
    handed_in["intruder"].cells.insert(0, nbformat.v4.new_code_cell(INTRUDER))
    for student, notebook in {**handed_in, "not-a-notebook": None}.items():
        course.path("submitted", student, LAB).mkdir(parents=True)
        course.notebook(student, LAB).write_text(nbformat.writes(notebook) if notebook else "{ not json")
    return course


def graded_alone(folder: Path) -> dict[str, tuple]:
    """The grades of such a class where this machine graded it, without a cluster."""
    course, log = new_class(folder), folder / "grade.log"
    with process(grade(course), log, environment(course), cwd=ROOT) as grading:
        finish(grading, log)
    found = grades(course)
    assert len(found) == CLASS + 2 and len({str(g) for g in found.values()}) > 3, "too uniform a class to compare"
    return found


def finish(grading: subprocess.Popen, log: Path, seconds: float = 240) -> None:
    """Wait for a grading command, which must end well."""
    until(lambda: grading.poll() is not None, seconds, "the class was not graded", log)
    assert grading.returncode == 0, log.read_text(errors="replace")[-3000:]


def grade(course: Course, *options: object) -> list[str]:
    """The command line that grades the class; its records go to grades.json in the course's folder."""
    record = course.folder / "grades.json"
    words = (QUINTET, "grade", LAB, "--submitted", course.submitted_folder, "--json", record, *options)
    return [str(word) for word in words]


def environment(course: Course) -> dict[str, str]:
    """What a grading command needs, wherever it runs: a login shell's environment, the course and the data."""
    kept = {name: os.environ[name] for name in ("HOME", "QUINTET_CACHE") if name in os.environ}
    return {**CLEAN, **kept, "QUINTET_COURSE": str(course.folder), "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def grades(course: Course) -> dict[str, tuple]:
    """student: (state, {cell: (score, needs a person)}), from the records and the gradebook; each was graded once."""
    records = json.loads((course.folder / "grades.json").read_text())
    states = {r["student"]: r["state"] for r in records}
    written = {s: [r["turn"] for r in rows] for s, rows in Journal(course.db_url).judged(LAB).items()}
    assert written == dict.fromkeys(states, [1]), "the journal has a student not at all or more than once"
    cells: dict[str, dict] = {}
    with Gradebook(course.db_url, "quintet") as book:
        for submission in book.assignment_submissions(LAB):  # one a student: the table has that constraint
            (notebook,) = submission.notebooks
            cells[submission.student.id] = {g.name: (g.auto_score, g.needs_manual_grade) for g in notebook.grades}
    return {student: (state, cells.get(student)) for student, state in states.items()}
