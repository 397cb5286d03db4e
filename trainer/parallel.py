"""One process or several: who am I, which device, which arithmetic; data parallelism by torchrun.

Gradients are sums over the global batch divided once, so DDP's mean over ranks is undone by a factor
``world``.
"""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from trainer.errors import RefusedError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h of glibc


@dataclass(frozen=True)
class World:
    """This process among those that train together."""

    rank: int
    size: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def sum(self, tensor: Tensor) -> Tensor:
        """The tensor summed over all processes."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    def barrier(self) -> None:
        """Wait for all processes."""
        if self.size > 1:
            dist.barrier()

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.size == 1:
            return flag
        return bool(self.sum(torch.tensor([float(flag)], device=self.device)).item())


@contextmanager
def start(threads: int) -> Iterator[World]:
    """Join the processes that torchrun started (or stand alone), on this process's device."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    local = int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", local) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    else:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        torch.set_num_threads(threads or max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
        keep_freed_memory()
    if size > 1:
        dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield World(rank, size, device)
    finally:
        if size > 1:
            dist.destroy_process_group()


def wrap(model: nn.Module, world: World) -> nn.Module:
    """The model, its gradients averaged over all processes."""
    if world.size == 1:
        return model
    return DistributedDataParallel(model, device_ids=[world.device] if world.device.type == "cuda" else None)


def without_sync(model: nn.Module, last: bool) -> AbstractContextManager[None]:
    """Gradients travel only with the last micro-batch of a step."""
    if last or not isinstance(model, DistributedDataParallel):
        return nullcontext()
    waiting: AbstractContextManager[None] = model.no_sync()
    return waiting


def keep_freed_memory() -> None:
    """Have malloc keep large blocks: given back to the system, they cost a page fault per 4 KiB at every
    step.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        if hasattr(libc, "mallopt"):  # glibc; other C libraries lack it and lose only speed
            libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30)
            libc.mallopt(_M_TRIM_THRESHOLD, 1 << 30)


def has_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bf16 matrices in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
        return any(bool(getattr(torch.cpu, name, bool)()) for name in checks)
    return False


def choose_dtype(asked: str, device: torch.device) -> torch.dtype:
    """The arithmetic of matrix products; bf16 asked for where there is none is refused."""
    if asked == "fp32" or (asked == "auto" and not has_bf16(device)):
        return torch.float32
    if not has_bf16(device):
        raise RefusedError(
            f"this {device.type} has no bf16 arithmetic", "dtype", "Use --set dtype=auto or fp32."
        )
    return torch.bfloat16


def autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[None]:
    """Matrix products in ``dtype``, everything else in fp32."""
    if dtype is torch.float32:
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype)
