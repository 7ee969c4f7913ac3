"""The trusted process that judges: it holds the checks and the seeds, and never imports student code.

    python -m quintet_grading.judge FD NURSERY SETTINGS

It imports the checks of one lab and forks a judge for each descriptor that comes over FD (a station's end: station.py).
A judge reads jobs from its own socket, one JSON text a message, and answers each with an outcome or with a fault of
ours. Submissions run in children of the nursery, whose socket is NURSERY. A judge decodes what hostile processes send:
its memory is limited, and its death is the loss of one try.
"""

import importlib
import json
import os
import resource
import socket
import sys

import nbformat

from quintet import checks
from quintet.student.jail import die_with_parent
from quintet.student.serve import READY, fork_loop
from quintet_grading import GradingFault, bank, course, policy, run
from quintet_grading.job import GRADED, LIMITED, Job, Limits, Outcome, receive, send
from quintet_grading.nursery import Nursery

MEMORY = 6 * 2**30  # of a judge's private data: the largest frames with all that is made of them


def judge(job: Job, nursery: Nursery) -> Outcome:
    """Run and judge one submission. Raises GradingFault."""
    if not job.notebook:
        return refused(job)
    notebook = nbformat.from_dict(json.loads(job.notebook))
    verdict = run.judge(notebook, policy.seeds(job.seed_key), nursery, job.limits, secret=True)
    verdict.notebook.metadata["quintet"] = {"reason": verdict.reason, "notes": [*job.notes, *verdict.notes]}
    return _outcome(LIMITED if verdict.reason else GRADED, verdict)


def refused(job: Job) -> Outcome:
    """The outcome for a file that is no submission: zeros, and the lab as released, telling why."""
    notebook = run.read(course.release(job.lab))
    verdict = run.Verdict(notebook, reason=job.reason)
    for cell in notebook.cells:
        if id := run.check_id(cell):
            result = run.lost(checks.find(id), job.reason)
            verdict.results.append(result)
            cell.outputs = run.report_outputs(result, 1)
    notebook.metadata["quintet"] = {"reason": job.reason, "notes": list(job.notes)}
    return _outcome(LIMITED, verdict)


def _outcome(state: str, verdict: run.Verdict) -> Outcome:
    records = tuple(run.record(r) for r in verdict.results)
    return Outcome(state, verdict.reason, json.dumps(verdict.notebook), records, round(verdict.seconds, 3))


def try_reference(job: Job, nursery: Nursery) -> None:
    """Raise GradingFault unless the reference runs and gets full marks with the job's inputs: a broken set-up or
    missing data is no student's fault and must not become anybody's grade."""
    reference = bank.submission(job.lab, bank.cases(job.lab)[0])
    verdict = run.judge(reference, policy.seeds(job.seed_key), nursery, Limits())
    errors = [o for c in verdict.notebook.cells for o in c.get("outputs", []) if o.output_type == "error"]
    if errors or verdict.points < verdict.max:
        said = [f"{e.ename}: {e.evalue}" for e in errors] or [f.message for r in verdict.results for f in r.findings]
        raise GradingFault(f"nothing was graded, since even the reference solution of {job.lab} fails here: {said[0]}")


def serve(sock: socket.socket, nursery: Nursery) -> None:
    """Answer jobs on `sock` until it closes."""
    die_with_parent()
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    if hard == resource.RLIM_INFINITY or hard > MEMORY:
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, hard))
    sock.sendall(READY)
    while True:
        try:
            question = receive(sock)
        except EOFError:
            return
        job = Job.from_dict(question["job"])
        try:
            if question["reference"]:
                try_reference(job, nursery)
                answer = {}
            else:
                answer = {"outcome": vars(judge(job, nursery))}
        except GradingFault as fault:
            answer = {"fault": str(fault)}
        except Exception as error:  # noqa: BLE001 whatever it was, it was not the student's doing
            answer = {"fault": f"the judge failed: {type(error).__name__}: {error}"}
        send(sock, answer)


def main(argv: list[str]) -> None:
    control, nursery_fd, settings = socket.socket(fileno=int(argv[0])), int(argv[1]), json.loads(argv[2])
    sandboxed = settings["sandboxed"]
    if settings["fresh"]:
        nursery = Nursery(settings["preload"], sandboxed=sandboxed, fresh=True)
    else:
        nursery = Nursery.attached(socket.socket(fileno=nursery_fd), sandboxed=sandboxed)
    importlib.import_module(f"quintet.checks.{bank.topic(settings['lab'])}")
    _warm_up()

    def become(sock: socket.socket, number: int) -> None:
        serve(sock, nursery)

    fork_loop(control, become)


def _warm_up() -> None:
    """Import what the first use of an optimizer imports, once and not in each judge."""
    import torch

    torch.set_num_threads(1)
    parameter = torch.zeros(1, requires_grad=True)
    parameter.grad = torch.zeros(1)
    torch.optim.SGD([parameter], lr=0.0).step()


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)
