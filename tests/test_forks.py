"A process that forks.py starts does what one does that Python starts."

import os
import signal
import subprocess
import sys
import time

import pytest
from conftest import quick_python

TOLD = """
import os, sys
print(sys.argv[1:], os.getcwd(), os.environ["ASKED"], sys.stdin.read(), __name__, sys.path[0])
print("aside", file=sys.stderr)
"""
ENDS = {
    "done": "",
    "status": "sys.exit(3)",
    "message": "sys.exit('why')",
    "error": "raise SystemExit(None) if 0 else OSError('x')",
    "killed": "os.kill(os.getpid(), 9)",
    "late": "import atexit; atexit.register(print, 'at the end')",
}


def both(*args, **kw) -> list:
    "What Python and its stand-in make of the same arguments."
    options = dict(text=True, capture_output=True, **kw)
    found = [subprocess.run([p, *args], **options) for p in (sys.executable, quick_python())]
    return [(r.returncode, r.stdout, r.stderr.splitlines()[-1:]) for r in found]


@pytest.mark.parametrize("end", ENDS)
def test_code(tmp_path, end):
    env = {**os.environ, "ASKED": "é"}
    kw = dict(cwd=tmp_path, env=env, input="given")
    code = TOLD + ENDS[end]
    python, fork = both("-c", code, "a b", "-m", **kw)
    python = (python[0], python[1].replace(" \n", f" {tmp_path}\n"), python[2])
    assert fork == python


def test_script_and_module(tmp_path):
    (tmp_path / "told.py").write_text(TOLD)
    kw = dict(cwd=tmp_path, env={**os.environ, "ASKED": ""}, input="")
    for args in (["told.py", "a"], ["-m", "told", "a"], ["-u", "told.py"], ["-W", "ignore", "-V"]):
        python, fork = both(*args, **kw)
        assert fork == python, args


def test_ends_with_its_stand_in():
    "Also where that is killed, and has no time to say so."
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    for number in (signal.SIGTERM, signal.SIGKILL):
        command = [quick_python(), "-c", code]
        process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE)
        pid = int(process.stdout.readline())
        process.send_signal(number)
        assert process.wait() == -number
        assert process.stdout.read() == ""  # nobody has it open any more
        ended = time.monotonic() + 60
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < ended:
            time.sleep(0.02)
        assert not os.path.exists(f"/proc/{pid}")


def test_kernel_ends_with_who_started_it():
    "As a kernel of Python's own does: one of a notebook that was killed would run on for ever."
    code = f"""
import subprocess, sys, time
subprocess.Popen([{quick_python()!r}, "-m", "ipykernel_launcher"])
print("started", flush=True)
time.sleep(600)
"""
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    for line in process.stdout:
        if "--existing" in line:  # the kernel is up
            break
    process.kill()
    process.communicate(timeout=300)  # ends when nobody has its output open any more
    assert process.returncode == -signal.SIGKILL
