"""A trainer that another program started ends with it: otherwise a run whose command was killed would train on
alone and keep its folder locked.
"""

import os
import signal
import threading
import time

_SECONDS_BETWEEN_LOOKS = 0.5


def end_with_parent() -> None:
    """SIGTERM for this process (which then saves a checkpoint) when the one in ``DATAFLOW_PARENT`` is gone."""
    parent = int(os.environ.get("DATAFLOW_PARENT", "0"))
    if not parent:
        return
    own = os.getppid() == parent  # or the parent's parent, as under torchrun

    def watch() -> None:
        while os.getppid() == parent if own else _is_running(parent):
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # there, but another user's
    return True
