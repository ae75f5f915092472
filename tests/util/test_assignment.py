import subprocess
import sys

import numpy as np
import pytest
import scipy.optimize

from tracker.util.assignment import linear_sum_assignment, load_solver


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize("shape", [(0, 0), (1, 3), (3, 1), (20, 20), (30, 40)])
def test_it_solves_as_the_public_function_does(shape: tuple[int, int]) -> None:
    cost = np.random.default_rng(0).random(shape)
    rows, columns = linear_sum_assignment(cost)
    expected_rows, expected_columns = scipy.optimize.linear_sum_assignment(cost)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(columns, expected_columns)


def test_the_rest_of_scipy_stays_unloaded_and_can_be_loaded_later() -> None:
    answer = run(
        "import sys, numpy as np\n"
        "from tracker.util.assignment import linear_sum_assignment as ours\n"
        "print('scipy.optimize' in sys.modules)\n"
        "from scipy.optimize import linear_sum_assignment as public\n"
        "cost = np.array([[4.0, 1, 3], [2, 0, 5], [3, 2, 2]])\n"
        "print(*(solver(cost)[1].tolist() for solver in (ours, public)))"
    )
    # 1 + 2 + 2 = 5 is the least: each of the other five permutations costs 6 or more.
    assert answer.splitlines() == ["False", "[1, 0, 2] [1, 0, 2]"]


def test_a_release_with_the_solver_elsewhere_gives_the_public_function() -> None:
    answer = run(
        "import sys\n"
        "from tracker.util.assignment import load_solver\n"
        "before = 'scipy.optimize' in sys.modules\n"
        "solver = load_solver('_no_such_module')\n"
        "import scipy.optimize\n"
        "print(before, solver is scipy.optimize.linear_sum_assignment)"
    )
    assert answer == "False True"


def test_the_public_function_is_taken_where_it_is_loaded_already() -> None:
    assert load_solver() is scipy.optimize.linear_sum_assignment
