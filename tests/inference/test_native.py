import logging
import os
import sys

import pytest

from tracker.inference.native import native_output_logged


def test_words_of_native_code_go_to_the_log(capfd, caplog):
    caplog.set_level(logging.DEBUG)
    with native_output_logged():
        os.write(2, b"INFO: hello\nfrom C++\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
    assert [record.message for record in caplog.records] == ["INFO: hello", "from C++"]


def test_standard_error_is_back_after_an_exception(capfd):
    with pytest.raises(ValueError, match="no"), native_output_logged():
        raise ValueError("no")
    print("after", file=sys.stderr)
    assert capfd.readouterr().err == "after\n"
