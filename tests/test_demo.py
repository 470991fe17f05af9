"""The page of `mssync demo` in a browser, by what a user does; without one, see 84_demo.ipynb."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import wave
from contextlib import contextmanager

import numpy as np
import pytest
from conftest import ENV, ROOT

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)
LONG = 120_000  # ms that a step may take on a busy machine


def speech(path, seconds=2.5):
    "Write some speech."
    from mssync.app.animate import SENTENCE
    from mssync.simulate.speech import speak

    said, sr, _ = speak(SENTENCE)
    with wave.open(str(path), "wb") as f:
        f.setparams((1, 2, sr, 0, "NONE", ""))
        f.writeframes((said[: int(seconds * sr)].clip(-1, 1) * 32767).astype("<i2").tobytes())
    return path


@contextmanager
def demo(folder):
    "The command, its page, and what it leaves when it is interrupted."
    folder.mkdir()
    env = os.environ | ENV | dict(TMPDIR=str(folder), PYTHONPATH=str(ROOT))
    env.pop("IN_TEST", None)
    command = [sys.executable, "-m", "mssync.app.cli", "demo", "--port", "0", "--seconds", "20"]
    errors = open(folder.parent / "errors.txt", "w+")
    run = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        line = run.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), (folder.parent / "errors.txt").read_text()
        yield line.split()[0]
    finally:
        run.send_signal(signal.SIGINT)
        try:
            status = run.wait(120)
        finally:
            run.kill()
            errors.close()
    assert status == 130
    assert [p for p in folder.rglob("*") if p.is_file()] == [], "files are left"


@contextmanager
def browser(sound):
    "A browser whose microphone hears a file."
    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    flags += [f"--use-file-for-fake-audio-capture={sound}", "--disable-gpu"]
    with playwright.sync_playwright() as p:
        own = p.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield own.new_page(viewport=dict(width=900, height=1000), color_scheme="light")
        finally:
            own.close()


def lasts(page):
    "Seconds of the video that is shown, when it can be played."
    ready = "() => document.querySelector('#talking')?.readyState >= 2"
    page.wait_for_function(ready, timeout=LONG)
    return page.evaluate("() => document.querySelector('#talking').duration")


def make_it_talk(page, sound, me, shots):
    "Upload speech and a portrait, watch, and see synchrony at four scales."
    page.click("#talk-go")
    playwright.expect(page.locator("#talk-status")).to_contain_text("Record something")
    page.set_input_files("#speech", ROOT / "README.md")
    page.click("#talk-go")
    told = playwright.expect(page.locator("#talk-status.error"))
    told.to_contain_text("README.md:", timeout=LONG)
    page.set_input_files("#speech", sound)
    page.set_input_files("#portrait", me)
    page.click("#talk-go")
    assert 2.3 < lasts(page) < 2.7
    assert page.locator("#talk-out svg").count() == 8  # synchrony and masks
    assert page.locator("#talk-out tr").count() == 5
    page.wait_for_timeout(1000)
    page.screenshot(path=shots / "talk.png")


def record(page):
    "Speak into the microphone instead of choosing a file."
    page.click("#record")
    page.wait_for_timeout(2000)
    page.click("#record")
    playwright.expect(page.locator("#talk-status")).to_contain_text("Recorded")
    page.evaluate("() => document.querySelector('#talk-out').replaceChildren()")
    page.click("#talk-go")
    assert 1.2 < lasts(page) < 20


def score(page, video, shots):
    "Score a video."
    page.click("#tab-score")
    page.set_input_files("#video", video)
    page.click("#score-go")
    playwright.expect(page.locator("#score-out svg")).to_have_count(4, timeout=LONG)
    page.screenshot(path=shots / "score.png")


def drawn(page):
    "Frames of the live face so far."
    return int(page.get_attribute("#face", "data-frames") or 0)


def live(page, sound, shots):
    "Play a file to the face, then speak to it."
    page.click("#tab-live")
    page.select_option("#wait", "8")
    page.set_input_files("#play", sound)
    done = playwright.expect(page.locator("#live-status"))
    done.to_contain_text(re.compile(r"^6[0-4] frames; the computer was busy"), timeout=LONG)
    assert drawn(page) > 10
    ink = "() => { const c = document.querySelector('#face');"
    ink += (
        "return c.getContext('2d').getImageData(0, 0, 400, 400).data.filter(v => v < 99).length }"
    )
    assert page.evaluate(ink) > 500
    page.screenshot(path=shots / "live.png")
    page.click("#mic")
    wanted = "() => document.querySelector('#live-status').textContent.startsWith('Frame ')"
    page.wait_for_function(wanted, timeout=LONG)
    page.click("#stop")
    done.to_contain_text("frames; the computer was busy", timeout=LONG)


@pytest.mark.skipif(not CHROMIUM, reason="no Chromium is installed")
def test_a_user_with_a_browser(tmp_path):
    """Record, upload, watch, score, speak: by clicks. Nothing but the own server is asked, no error
    is shown in the console, and nothing is left."""
    from PIL import Image
    from skimage.data import astronaut

    sound = speech(tmp_path / "said.wav")
    Image.fromarray(np.ascontiguousarray(astronaut()[:, :400])).save(tmp_path / "me.png")
    begin = time.monotonic()
    with demo(tmp_path / "served") as url, browser(sound) as page:
        asked = set()
        troubles = []
        page.on("request", lambda r: asked.add(r.url))
        page.on("pageerror", lambda e: troubles.append(str(e)))
        page.goto(url)
        make_it_talk(page, sound, tmp_path / "me.png", tmp_path)
        with page.expect_download() as saved:
            page.click("text=Save the video")
        saved.value.save_as(tmp_path / "talking.mp4")
        record(page)
        score(page, tmp_path / "talking.mp4", tmp_path)
        live(page, sound, tmp_path)
        page.wait_for_timeout(200)
    assert troubles == []
    own = url.rstrip("/")
    elsewhere = [
        u for u in asked if not u.startswith((own, f"blob:{own}", own.replace("http", "ws")))
    ]
    assert elsewhere == []
    print(f"{time.monotonic() - begin:.0f} s")
