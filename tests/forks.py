"""A `python` whose imports are done: a server that has made them forks for every start.

Most of the time of a short process is its imports, and the tests start hundreds: the notebooks of
small studies, each with a kernel, and the notebooks' own tests. What is started so is a process of
its own. It has the arguments, folder, environment, streams, signals and exit status that the
executable has; only modules are there already (`preload`), nothing but imported, the library's own
read (`code_of`) and its strokes compiled.

    with served() as python:
        subprocess.run([python, "-m", "snakemake", "--version"])

It takes `-m MODULE`, `-c CODE` and a script; with any other option Python itself is started.
"""

import json
import os
import select
import signal
import socket
import sys
import threading
import time

PRELOAD = """
accelerate
av
cv2
dlib
IPython.core.magics
ipykernel.ipkernel
ipykernel.kernelapp
ipykernel.zmqshell
jupyter_client.asynchronous
jupyter_client.manager
jupytext
markdown_it
matplotlib.animation
matplotlib.backends.backend_agg
matplotlib.pyplot
matplotlib_inline.backend_inline
nbclient
nbdev.test
papermill
safetensors.torch
scipy.stats
skimage.metrics
snakemake.cli
tabulate
torch._dynamo
torch.utils.tensorboard
tqdm.auto
""".split()  # and all of mssync

# What these start (sys.executable) is forked too: jobs, kernels, workers of an ingestion, several
# processes of a training.
STARTS_FORKS = (
    "snakemake",
    "mssync.app.cli",
    "mssync.study.notebooks",
    "torch.distributed.run",
    "accelerate.commands.launch",
)


# --- the executable: asks for a fork, and stands in its place


def stand_in(address: str, args: list[str]) -> int:
    "Have a fork run what Python would, pass signals on to it and return its exit status."
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        request = dict(args=args, cwd=os.getcwd(), env=dict(os.environ))
        text = json.dumps(request).encode()
        socket.send_fds(server, [len(text).to_bytes(8, "little")], [0, 1, 2])
        server.sendall(text)
        answers = server.makefile()
        pid = int(answers.readline())
        if "ipykernel_launcher" in args:
            threading.Thread(target=end_with, args=[os.getppid()], daemon=True).start()

        def pass_on(number, _frame):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, pass_on)
        status = int(answers.readline())
    if status < 0:  # it was killed
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return status


def end_with(parent: int):
    "End when the parent has: a kernel sees to this itself, but a fork has another parent."
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


# --- the server


def serve(address: str, executable: str):
    "Import, then fork for every request, until standard input is closed."
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([listener, 0], [], [])
        if 0 in ready:
            return
        connection, _ = listener.accept()
        if os.fork() == 0:
            try:
                listener.close()
                watch(connection, executable)
            finally:
                os._exit(1)
        connection.close()


def preload():
    "What most starts need: imports, what decides which notebook is stale, compiled strokes."
    import gc
    import pkgutil

    import mssync

    modules = [m.name for m in pkgutil.walk_packages(mssync.__path__, "mssync.") if not m.ispkg]
    for name in [*PRELOAD, *modules]:
        __import__(name)

    from mssync.data.landmarks import neutral_face
    from mssync.metrics.raster import rasterise
    from mssync.study.notebooks import code_of

    code_of([name.partition(".")[2] for name in modules])
    rasterise(neutral_face()[None, :, :2], size=8)
    gc.collect()
    gc.freeze()  # nothing of this is looked through, and so copied, by a fork


def watch(connection: socket.socket, executable: str):
    "Fork once more, say how it ended, and end it where the one who asked is gone."
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    head, fds, _, _ = socket.recv_fds(connection, 8, 3)
    with connection.makefile("rb") as f:
        request = json.loads(f.read(int.from_bytes(head, "little")))
    pid = os.fork()
    if pid == 0:
        connection.close()
        become(fds, executable, **request)
    for fd in fds:
        os.close(fd)
    answer(connection, pid)
    ended = 0
    status = 0
    while not ended:
        if select.select([connection], [], [], 0.02)[0]:
            os.kill(pid, signal.SIGKILL)
        ended, status = os.waitpid(pid, os.WNOHANG)
    answer(connection, os.waitstatus_to_exitcode(status))
    os._exit(0)


def answer(connection: socket.socket, number: int):
    "Tell the one who asked, if it is still there."
    try:
        connection.sendall(f"{number}\n".encode())
    except (BrokenPipeError, ConnectionResetError):
        pass


def become(fds: list[int], executable: str, args: list[str], cwd: str, env: dict):
    "Do what Python does with `-m MODULE ...` and `-c CODE ...`, and end as it ends."
    import atexit
    import traceback

    for number, fd in enumerate(fds):
        os.dup2(fd, number)
        os.close(fd)
    sys.stdin = sys.__stdin__ = open(0, closefd=False)
    sys.stdout = sys.__stdout__ = open(1, "w", buffering=1, closefd=False)
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    if args[1:] and args[1] in STARTS_FORKS:
        sys.executable = executable
    status = 0
    try:
        _main(*args)
    except SystemExit as e:
        status = e.code if isinstance(e.code, int) else int(e.code is not None)
        if isinstance(e.code, str):
            print(e.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 255)


def _main(what: str, *rest: str):
    "`python -m MODULE ...`, `python -c CODE ...` or `python SCRIPT ...`."
    import runpy

    sys.path[0] = os.path.dirname(os.path.abspath(what)) if what[0] != "-" else os.getcwd()
    if what == "-m":
        module, *rest = rest
        if not hasattr(sys.modules.get(module), "__path__"):  # as if it were not imported yet
            sys.modules.pop(module, None)
        sys.argv = [what, *rest]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    elif what == "-c":
        code, *rest = rest
        sys.argv = [what, *rest]
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = [what, *rest]
        runpy.run_path(what, run_name="__main__")


# --- for the tests


class served:
    "With a server running: the path of the executable."

    def __init__(self, env: dict):
        self.env = env

    def __enter__(self) -> str:
        import shlex
        import subprocess
        import tempfile
        from pathlib import Path

        self.folder = tempfile.TemporaryDirectory()
        address = f"{self.folder.name}/socket"
        python = Path(self.folder.name) / "python"
        start = shlex.join([sys.executable, "-IS", __file__, address])
        python.write_text(f'#!/bin/sh\nexec {start} "$@"\n')
        python.chmod(0o755)
        command = [sys.executable, __file__, "--serve", address, str(python)]
        self.server = subprocess.Popen(
            command, stdin=subprocess.PIPE, env=self.env, start_new_session=True
        )
        while not os.path.exists(address) and self.server.poll() is None:
            select.select([], [], [], 0.01)
        return str(python)

    def __exit__(self, *_):
        self.server.kill()
        self.server.wait()
        self.server.stdin.close()
        self.folder.cleanup()


if __name__ == "__main__":
    _, address, *args = sys.argv
    forked = args[1:] if args[:1] == ["-u"] else args
    if address == "--serve":
        serve(*args)
    elif forked and (forked[0] in ("-m", "-c") or forked[0][0] != "-"):
        sys.exit(stand_in(address, forked))
    else:
        os.execv(sys.executable, [sys.executable, *args])
