"""Jobs of tests start as copies of one process that has loaded their libraries: whole graphs would else spend most of
their time on imports.

A job is the same program with the same arguments, environment, folder, output and status; only its imports are done
before. Jobs on Slurm and those of several ranks start as a user's do.

`python tests/warm.py SOCKET PID` is that process: it ends when the process PID does. The client is `warm_python.py`.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock

HERE = Path(__file__).resolve().parent
LIBRARIES = [
    "mlflow", "pandas", "matplotlib.pyplot", "accelerate", "vllm.v1.worker.cpu_worker",
    "vllm.model_executor.models.llama", "vllm.v1.attention.backends.cpu_attn", "stepladder.generation.engine",
    "stepladder.policies.onpolicy", "stepladder.policies.language", "stepladder.evaluation.prm",
]  # fmt: skip
ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
"""What libraries read as they are loaded; all jobs of tests have it."""
START_SECONDS = 120


def environment() -> dict[str, str]:
    """What makes the shell of a rule hand its Python scripts to the process of this test run, which is started once."""
    owner = int(os.environ.get("STEPLADDER_TEST_RUN", os.getpid()))
    place = Path(tempfile.gettempdir()) / f"stepladder-warm-{owner}.socket"
    with FileLock(f"{place}.lock"):
        if not place.exists():
            words = [sys.executable, __file__, str(place), str(owner)]
            subprocess.Popen(words, env={**os.environ, **ENVIRONMENT}, start_new_session=True, stdin=subprocess.DEVNULL)
            deadline = time.monotonic() + START_SECONDS
            while not place.exists():
                assert time.monotonic() < deadline, f"{' '.join(words)} did not start"
                time.sleep(0.1)
    client = f"{sys.executable} -S -E {HERE / 'warm_python.py'} {place}"
    function = f'() {{ case $1 in workflow/scripts/*) {client} "$@";; *) command python "$@";; esac; }}'
    return {**ENVIRONMENT, "BASH_FUNC_python%%": function}


def serve(place: Path, owner: int) -> None:
    """Copies itself for every job that is asked for, until its owner ends; the copies return and become the jobs."""
    atexit.register(leave)  # the first to be registered is the last to run
    loaded_with = dict(os.environ)
    for name in LIBRARIES:
        importlib.import_module(name)
    set_by_libraries = {name: value for name, value in os.environ.items() if loaded_with.get(name) != value}
    gc.freeze()
    gc.unfreeze = lambda: None  # vLLM does so as an engine ends, and would look through all libraries
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{place}.new")
    listener.listen(64)
    os.rename(f"{place}.new", place)
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    waiting.register(os.pidfd_open(owner), selectors.EVENT_READ)
    jobs: dict[int, tuple[int, int, socket.socket]] = {}  # by both descriptors: process, its descriptor, its client
    while True:
        for key, _ in waiting.select():
            if key.fileobj is listener:
                client, _ = listener.accept()
                size, descriptors, _, _ = socket.recv_fds(client, 8, 3)
                given = json.loads(client.recv(int.from_bytes(size), socket.MSG_WAITALL))
                pid = os.fork()
                if not pid:
                    for each in (waiting, listener, client, *(job[2] for job in jobs.values())):
                        each.close()
                    become(given, descriptors, set_by_libraries)
                    return
                for descriptor in descriptors:
                    os.close(descriptor)
                ended = os.pidfd_open(pid)
                jobs[ended] = jobs[client.fileno()] = (pid, ended, client)
                waiting.register(ended, selectors.EVENT_READ)
                waiting.register(client, selectors.EVENT_READ)
            elif key.fd in jobs:
                pid, ended, client = jobs[key.fd]
                if key.fileobj is client:  # it was killed, for it has nothing more to say
                    signal.pidfd_send_signal(ended, signal.SIGKILL)
                status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                with suppress(OSError):
                    client.sendall(str(status if status >= 0 else 128 - status).encode())
                for each in (ended, client):
                    waiting.unregister(each)
                del jobs[ended], jobs[client.fileno()]
                os.close(ended)
                client.close()
            else:
                place.unlink()
                Path(f"{place}.lock").unlink()
                sys.exit()


def become(given: dict[str, Any], descriptors: list[int], set_by_libraries: dict[str, str]) -> None:
    """Takes over a client's folder, environment, arguments and output."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(given["folder"])
    os.environ.clear()
    os.environ |= given["environment"] | set_by_libraries
    sys.argv = given["arguments"]


status = 0


def leave() -> None:
    """Ends the process without taking its libraries apart, which takes seconds and leaves nothing else behind."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
    sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as asked:
        status = asked.code if isinstance(asked.code, int) else int(asked.code is not None)
        raise
    except BaseException:
        status = 1
        raise
