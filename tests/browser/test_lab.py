"""The journey of a student: JupyterLab opens a notebook, all cells run, a widget is moved, and the picture
changes.
"""

import base64
import math
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import nbformat
import pytest

from course_lib import notebooks

sync_api = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = list(notebooks.chapters().values())
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH"),
]

SETTINGS = {
    "apputils-extension/notification": '{"checkForUpdates": false, "fetchNews": "false"}',
    # Without a window, cells that are out of sight are in the page too.
    "notebook-extension/tracker": '{"windowingMode": "none", "autoStartDefaultKernel": true}',
}
PICTURES = ".widget-html img"
CONNECTED = """async token => {
    const answer = await fetch(`/api/sessions?token=${token}`);
    const sessions = answer.ok ? await answer.json() : [];
    return sessions.some(found => found.kernel.execution_state === 'idle' && found.kernel.connections > 0);
}"""
ACCEPT = ".jp-Dialog button.jp-mod-accept"
SETTLE_SECONDS = 2  # between the kernel's first idle state and the widget manager's registration with it
NO_MODEL = "Error displaying widget: model not found"
QUIET_SECONDS = 8  # without a cell that runs or waits
FAILED = '[data-mime-type="application/vnd.jupyter.error"]'
# What stands beside each code cell: "[ ]:" not run, "[*]:" waiting or running, "[3]:" run.
PROMPTS = "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(found => found.textContent)"
CELLS = [
    "import torch\nfrom course_lib import show\n"
    "clips = torch.rand(3, 6, 3, 32, 32, generator=torch.Generator().manual_seed(0))",
    "show.explorer(lambda k: show.strip(clips[0, :k], title=f'{k} frames'), k=(2, 6))",
    "def probability(batch):\n    return torch.sigmoid(40 * (batch[:, 0] - batch[:, -1]).mean((1, 2, 3)))\n\n"
    "show.shuffle_explorer(clips, probability)",
    "show.neighbour_browser((clips.flatten(0, 1) * 255).byte(), {'pixels': clips.flatten(0, 1).flatten(1)},\n"
    "                       torch.arange(18) // 6, k=5)",
    "def broken(k):\n    if k > 1:\n        raise RuntimeError('planned failure')\n    return show.strip(clips[0])\n\n"
    "show.explorer(broken, k=(1, 3))",
]


def small_notebook(folder: Path) -> Path:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    path = folder / "widgets.ipynb"
    nbformat.write(notebook, path)
    return path


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab on a free loopback port with a random token, in a folder of its own: ``(url, token,
    folder)``.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token, folder = secrets.token_hex(16), tmp_path / "course"
    folder.mkdir()
    private = {
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_RUNTIME_DIR": str(tmp_path / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
        "IPYTHONDIR": str(tmp_path / "ipython"),
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "COURSE_PRESET": "smoke",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
    ]
    for name, text in SETTINGS.items():
        setting = tmp_path / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        setting.parent.mkdir(parents=True)
        setting.write_text(text)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    log = (tmp_path / "jupyterlab.log").open("w")
    server = subprocess.Popen(command, env=os.environ | private, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for_server(server, f"{url}/api/status?token={token}", tmp_path / "jupyterlab.log")
        yield url, token, folder
    finally:
        server.terminate()  # shuts its kernels down too
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


def wait_for_server(server: subprocess.Popen, url: str, log: Path, seconds: float = 90) -> None:
    """Return when the server answers; fail with its log when it has ended or does not answer in time."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback never goes through a proxy
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            with opener.open(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture
def page(tmp_path):
    """A page of a headless Chromium; on failure the caller's `photograph` has put a picture beside the log."""
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser.new_page(viewport={"width": 1280, "height": 2400})
        finally:
            browser.close()


@pytest.fixture
def photograph(page, tmp_path, request):
    """Save what the page shows at the end of the test; where the test failed, this is what to look at."""
    yield
    picture = tmp_path / f"{request.node.name}.png"
    page.screenshot(path=picture)
    print(f"screenshot: {picture}")


def open_and_run(page, lab, name: str, cells: int, seconds: float) -> None:
    """Open a notebook of the server, run all its cells, wait for the last, and fail when one failed."""
    url, token, _ = lab
    page.goto(f"{url}/lab/tree/{name}?token={token}", wait_until="domcontentloaded", timeout=60_000)
    page.wait_for_selector(".jp-NotebookPanel .jp-CodeCell", timeout=60_000)
    page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=60_000)
    # Running before the page is connected to its kernel asks which kernel to take.
    page.wait_for_function(CONNECTED, arg=token, timeout=60_000, polling=300)
    page.wait_for_timeout(1000 * SETTLE_SECONDS)
    end, clicked, busy = time.monotonic() + seconds, 0, -math.inf
    while True:
        prompts, now = page.evaluate(PROMPTS), time.monotonic()
        lost = page.get_by_text(NO_MODEL).count() > 0
        if page.locator(ACCEPT).is_visible():
            page.locator(ACCEPT).click()  # take the kernel that is offered; the run goes on
        elif page.locator(FAILED).count():
            break
        elif any("*" in text for text in prompts):
            busy = now
        elif not lost and sum(any(c.isdigit() for c in text) for text in prompts) >= cells:
            break
        elif now - busy > QUIET_SECONDS:
            # Nothing runs and nothing waits: the command came while JupyterLab was still connecting. Then it drops the
            # queue, or all of it but the first cell, or the widgets of what it ran. A reader would ask again.
            assert clicked < 4, f"JupyterLab dropped the run {clicked} times; prompts: {' '.join(prompts)}"
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            clicked, busy = clicked + 1, now
        assert now < end, f"not done in {seconds} s; prompts: {' '.join(prompts)}"
        time.sleep(0.3)
    failed = page.locator(FAILED)
    assert failed.count() == 0, failed.first.inner_text()


def source(page, number: int) -> str:
    """The picture ``number`` of the page: its bytes, as a data address."""
    return page.locator(PICTURES).nth(number).get_attribute("src")


def moves(page, number: int, act) -> None:
    """Do ``act``, then wait until the bytes of picture ``number`` are others; still a PNG, of sensible size."""
    before = source(page, number)
    act()
    page.wait_for_function(
        "([pictures, number, old]) => document.querySelectorAll(pictures)[number].src !== old",
        arg=[PICTURES, number, before],
        timeout=20_000,
    )
    after = base64.b64decode(source(page, number).removeprefix("data:image/png;base64,"))
    assert after[:8] == b"\x89PNG\r\n\x1a\n"
    assert len(after) > 1000


def test_widgets_answer_in_jupyterlab(lab, page, photograph):
    path = small_notebook(lab[2])
    open_and_run(page, lab, path.name, len(CELLS), 120)
    sync_api.expect(page.locator(PICTURES)).to_have_count(4, timeout=30_000)
    assert page.locator(".jp-OutputArea-output img").count() == 4  # nothing is shown twice

    sliders = page.get_by_role("slider")
    moves(page, 0, lambda: sliders.nth(0).press("ArrowRight"))
    moves(page, 1, lambda: sliders.nth(1).press("ArrowRight"))  # shuffle with another seed
    assert "P(real)" in page.locator(PICTURES).nth(1).get_attribute("alt")
    moves(page, 1, lambda: page.get_by_role("button", name="real order").click())
    assert "order 1-2-3-4-5-6;" in page.locator(PICTURES).nth(1).get_attribute("alt")
    moves(page, 1, lambda: page.get_by_role("button", name="reverse").click())
    moves(page, 2, lambda: sliders.nth(2).press("ArrowRight"))

    sliders.last.press("ArrowRight")  # an error is shown where the picture was
    page.wait_for_selector("text=RuntimeError: planned failure", timeout=20_000)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda chapter: chapter.number)
def test_chapter_runs_in_jupyterlab_and_its_widgets_answer(chapter, lab, page, photograph):
    path = Path(shutil.copy(chapter.path, lab[2]))
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    for cell in cells:
        cell.outputs, cell.execution_count = [], None
    notebook.metadata.pop("widgets", None)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, path)
    open_and_run(page, lab, path.name, len(cells), 240)
    page.locator(PICTURES).first.scroll_into_view_if_needed(timeout=30_000)
    widgets = page.locator(f".jp-OutputArea-output:has({PICTURES})")
    assert widgets.count() >= (2 if chapter.number != "00" else 1)
    for number in range(widgets.count()):
        control = widgets.nth(number).locator("[role=slider], select").first
        if control.get_attribute("role") == "slider":
            moves(page, number, lambda control=control: control.press("ArrowRight"))
        else:
            moves(page, number, lambda control=control: control.select_option(index=1))
        assert widgets.nth(number).get_by_role("alert").count() == 0
