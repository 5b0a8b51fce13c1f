"""Executing notebooks: no waiting for ever, one more attempt when a message was lost, none when a cell raised."""

import asyncio
import time
from types import SimpleNamespace

import nbformat
import papermill
import pytest
import zmq
import zmq.asyncio
from jupyter_client.session import Session
from nbclient.exceptions import CellTimeoutError
from nbformat.v4 import new_code_cell, new_notebook
from papermill.clientwrap import PapermillNotebookClient

from course_lib import kernel, notebooks


@pytest.fixture
def path(tmp_path):
    notebook = new_notebook(cells=[new_code_cell("preset = 'laptop'", metadata={"tags": ["parameters"]})])
    return notebooks.write(notebook, tmp_path / "21_toy.ipynb")


@pytest.fixture
def attempts(monkeypatch):
    """Stands in for papermill: gives or raises what the list holds, and notes how it was called."""

    class Attempts(list):
        def __init__(self):
            self.calls = []

    left = Attempts()

    def execute_notebook(*_, **options):
        left.calls.append(options)
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(papermill, "execute_notebook", execute_notebook)
    return left


def test_a_lost_message_is_answered_by_one_more_attempt(path, attempts, capsys):
    done = new_notebook()
    attempts += [kernel.LostMessageError("no reply"), done]
    assert notebooks.execute(path).notebook is done
    assert "executing it once more" in capsys.readouterr().err
    attempts += [kernel.LostMessageError("no reply"), kernel.LostMessageError("again"), done]
    with pytest.raises(notebooks.CellError, match="again"):
        notebooks.execute(path)
    assert len(attempts) == 1


@pytest.mark.parametrize(
    "failure",
    [
        papermill.PapermillExecutionError(0, 3, "x", "KeyError", "gone", ["trace"]),
        CellTimeoutError("A cell took too long"),
    ],
)
def test_a_cell_that_fails_or_takes_too_long_is_not_tried_again(path, attempts, failure, capsys):
    attempts += [failure, new_notebook()]
    with pytest.raises(notebooks.CellError, match="gone|too long"):
        notebooks.execute(path)
    assert len(attempts.calls) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "environment", "limit"),
    [({}, None, 600), ({"preset": "smoke"}, None, 120), ({"preset": "gpu"}, None, None), ({}, "smoke", 120)],
)
def test_a_cell_has_the_time_of_its_preset(path, attempts, given, environment, limit):
    attempts.append(new_notebook())
    notebooks.execute(path, given, env={"COURSE_PRESET": environment})
    assert attempts.calls[0]["execution_timeout"] == limit


def time_out(state):
    async def run():
        client = kernel.NotebookClient(SimpleNamespace(nb=new_notebook()))
        client.kernel_state = state
        await client._async_handle_timeout(1, new_code_cell("1"))

    asyncio.run(run())


def test_only_an_idle_kernel_has_lost_a_message():
    with pytest.raises(kernel.LostMessageError):
        time_out("idle")
    with pytest.raises(CellTimeoutError):
        time_out("busy")


def test_outputs_that_do_not_come_are_lost(monkeypatch):
    def without_outputs(client, **_):
        raise CellTimeoutError("Timeout waiting for IOPub output")

    monkeypatch.setattr(PapermillNotebookClient, "execute", without_outputs)
    with pytest.raises(kernel.LostMessageError):
        kernel.NotebookClient.execute(kernel.NotebookClient.__new__(kernel.NotebookClient))


def test_a_cell_that_takes_too_long_is_not_executed_again(tmp_path):
    """Its kernel is shut down, and says that it is idle before it goes."""
    slow = new_notebook(cells=[new_code_cell("import time; time.sleep(20)")])
    slow.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(slow, tmp_path / "slow.ipynb")
    options = {"engine_name": kernel.ENGINE, "kernel_name": "python3", "progress_bar": False, "execution_timeout": 2}
    with pytest.raises(CellTimeoutError):
        papermill.execute_notebook(tmp_path / "slow.ipynb", tmp_path / "out.ipynb", **options)


def test_a_reply_is_seen_although_a_send_used_up_its_signal():
    """What happens when nbclient answers an output widget while it waits for the reply of the cell."""

    async def exchange():
        context = zmq.asyncio.Context()
        there = zmq.Context.shadow(context).socket(zmq.ROUTER)
        here = context.socket(zmq.DEALER)
        here.connect(f"tcp://127.0.0.1:{there.bind_to_random_port('tcp://127.0.0.1')}")
        session, far = Session(key=b""), Session(key=b"")
        channel = kernel.Channel(here, session)
        channel.send(session.msg("execute_request"))
        sender, *_ = there.recv_multipart()
        waiting = asyncio.create_task(channel.get_msg(timeout=5))
        await asyncio.sleep(0.05)
        far.send(there, "execute_reply", ident=sender)
        time.sleep(0.05)  # the reply arrives while the loop is busy
        channel.send(session.msg("comm_msg"))
        began = time.perf_counter()
        reply = await waiting
        took = time.perf_counter() - began
        with pytest.raises(Exception, match="^$") as nothing:
            await channel.get_msg(timeout=0.01)
        here.close(linger=0)
        there.close(linger=0)
        return reply["msg_type"], took, nothing.typename

    kind, took, nothing = asyncio.run(exchange())
    assert (kind, nothing) == ("execute_reply", "Empty")
    assert took < 3


def test_a_notebook_with_an_output_widget_and_progress_bars_runs_and_is_cleaned(tmp_path):
    widget = "import ipywidgets\n@ipywidgets.interact(x=(0, 9))\ndef f(x=3):\n    for i in range(20):\n        print(i)"
    bars = (
        "from tqdm.auto import tqdm\nfor _ in tqdm(range(9), leave=False):\n    pass\n"
        "bar = tqdm(range(9))\nnext(iter(bar))\nprint('done')"
    )
    notebook = new_notebook(cells=[new_code_cell(widget), new_code_cell(bars)])
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    done = notebooks.execute(notebooks.write(notebook, tmp_path / "21_toy.ipynb"), progress=False)
    cleaned = notebooks.clean(done.notebook)
    nbformat.validate(cleaned)
    assert [output.output_type for output in cleaned.cells[1].outputs] == ["stream"]
    assert cleaned.cells[1].outputs[0].text == "done\n"
    state = cleaned.metadata.widgets[notebooks.WIDGET_MIME]["state"]
    names = {model["model_name"] for model in state.values()}
    assert "OutputModel" in names
    assert not names & {"FloatProgressModel", "HBoxModel"}
    assert notebooks.faults(cleaned) == []
    assert notebooks.clean(cleaned) == cleaned
