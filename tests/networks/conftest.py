import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Compute on one core: tensors here are tiny, and threads that wait for a busy core cost many times the work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
