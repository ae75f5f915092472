"""Versions of Python and of packages."""

from tracker.doctor.check import Status
from tracker.doctor.installation import (
    installed_version,
    package_check,
    package_checks,
    python_check,
)

REQUIREMENTS = ["av>=17", "opencv-python>=4.10", "setuptools<81", "openvino>=2024; extra == 'x'"]
FOUND = {"av": "17.0.1", "opencv-python-headless": "5.0", "setuptools": "80.9"}


def test_python() -> None:
    assert python_check((3, 11, 0)).status is Status.OK
    old = python_check((3, 10, 9))
    assert (old.status, old.detail) == (Status.FAILURE, "3.10.9, expected 3.11 or newer")


def test_packages_of_extras_are_left_out_and_a_headless_opencv_counts() -> None:
    check = package_check(REQUIREMENTS, FOUND.get)
    assert check.status is Status.OK
    assert check.detail.endswith("; av 17.0.1, opencv-python 5.0, setuptools 80.9")


def test_an_old_package_that_a_run_needs_is_a_failure() -> None:
    check = package_check(REQUIREMENTS, {**FOUND, "av": "16.1", "setuptools": "82.0"}.get)
    assert check.status is Status.FAILURE
    assert check.detail == "expected av>=17 (found 16.1), setuptools<81 (found 82.0)"
    assert check.mend == "pip install 'av>=17' 'setuptools<81'"


def test_a_missing_package_that_a_run_does_not_need_is_a_warning() -> None:
    check = package_check(["trackeval>=1.3"], FOUND.get)
    assert (check.status, check.mend) == (Status.WARNING, "pip install 'trackeval>=1.3'")
    assert check.detail == "expected trackeval>=1.3 (found none)"


def test_this_installation() -> None:
    (check,) = package_checks()
    assert check.status is not Status.FAILURE
    assert installed_version("numpy") is not None
    assert installed_version("no-such-package-here") is None
