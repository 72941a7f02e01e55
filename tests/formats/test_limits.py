from __future__ import annotations

from pathlib import Path

import pytest

from scripts.formats.limits import MAX_BYTES, refuse_too_large


def test_a_declared_size_is_taken_up_to_the_limit_at_four_bytes_a_number_and_not_beyond():
    refuse_too_large(Path("a"), (2**15, 2**14), 32)  # 2**31 bytes
    with pytest.raises(ValueError, match=rf"^a says its size is 32768 x 16385 of 16 bits, more than {MAX_BYTES} bytes"):
        refuse_too_large(Path("a"), (2**15, 2**14 + 1), 16)
