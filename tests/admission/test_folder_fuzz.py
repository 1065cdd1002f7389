"""Whatever the files of a folder hold: it is refused in one line, or loads as it was."""

from collections import Counter

from tests.folder_fuzz import Fuzz

MUTATIONS = 40


def test_a_damaged_folder_is_refused_in_one_line_or_loads_as_it_was(tmp_path):
    fuzz = Fuzz(tmp_path)
    endings = Counter(fuzz.once(seed)[1] == "accepted" for seed in range(MUTATIONS))
    assert endings[False] > MUTATIONS / 2
    assert endings[True] > MUTATIONS / 20  # the harness does not refuse everything
