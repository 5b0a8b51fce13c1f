"""The notebook client behind `notebooks.execute`: papermill's, without its two ways of waiting for ever.

jupyter_client sends on an asyncio socket through its synchronous shadow. ZeroMQ signals "a message has come" only
once, and such a send uses the signal up: a reply that arrives while nbclient sends the state of an output widget is
there, but whoever waits for it is not woken (jupyter/nbclient issue 312). `Channel` therefore looks again at
intervals. What is lost in spite of that ends in `LostMessageError` when the time limit of the cell has passed.
"""

from queue import Empty
from time import monotonic

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from traitlets import Type

ENGINE = "course"
LOOK_AGAIN_SECONDS = 0.5
IOPUB_SECONDS = 60  # for outputs to follow the reply; nbclient's 4 s are too few on a machine that is busy


class LostMessageError(TimeoutError):
    """The time limit of a cell passed although the kernel had finished it: its reply or an output got lost."""


class Channel(AsyncZMQSocketChannel):
    """A channel whose `get_msg` does not rely on being woken."""

    async def get_msg(self, timeout: float | None = None):
        """The next message; raises ``queue.Empty`` after ``timeout`` seconds (None: waits without limit)."""
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            left = LOOK_AGAIN_SECONDS if deadline is None else deadline - monotonic()
            try:
                return await super().get_msg(max(0.0, min(LOOK_AGAIN_SECONDS, left)))
            except Empty:
                if deadline is not None and monotonic() >= deadline:
                    raise


class Client(AsyncKernelClient):
    """A kernel client that looks again on the channel on which it also sends."""

    shell_channel_class = Type(Channel)


class Manager(AsyncKernelManager):
    """Starts a kernel and gives `Client`."""

    client_class = f"{__name__}.Client"
    client_factory = Type(Client)


class NotebookClient(PapermillNotebookClient):
    """Papermill's client, which tells a cell that takes too long from a message that was lost."""

    kernel_state = ""

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "status":
            self.kernel_state = msg["content"]["execution_state"]
        return super().process_message(msg, cell, cell_index)

    async def _async_handle_timeout(self, timeout, cell=None):
        idle = self.kernel_state == "idle"  # asked now: a kernel that is shut down goes idle, too
        try:
            return await super()._async_handle_timeout(timeout, cell)
        except CellTimeoutError as error:
            if idle:
                raise LostMessageError(str(error)) from error
            raise

    def execute(self, **kwargs):
        try:
            return super().execute(**kwargs)
        except CellTimeoutError as error:
            if "IOPub" in str(error):  # nbclient waits for outputs only after the reply, so the cell is done
                raise LostMessageError(str(error)) from error
            raise


class Engine(NBClientEngine):
    """Papermill's engine with this client."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, start_timeout=60, execution_timeout=None, **options):
        known = {name: value for name, value in options.items() if name in NotebookClient.class_trait_names()}
        return NotebookClient(
            nb_man,
            kernel_manager_class=Manager,
            kernel_name=kernel_name,
            startup_timeout=start_timeout,
            timeout=execution_timeout,
            iopub_timeout=IOPUB_SECONDS,
            **known,
        ).execute()


papermill_engines.register(ENGINE, Engine)
