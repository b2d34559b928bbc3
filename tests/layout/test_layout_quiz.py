"""The stranger's quiz has right answers, and the files' names are no worse than they were for a reader of words."""

from __future__ import annotations

import pytest
import quiz


@pytest.mark.parametrize(("line", "home"), [(line, home) for line, _, home in quiz.QUIZ], ids=[q[2] for q in quiz.QUIZ])
def test_a_line_stands_in_its_file_and_nowhere_else(line: str, home: str) -> None:
    assert quiz.homes(line) == [home]


def test_twenty_lines_from_all_over() -> None:
    assert len(quiz.QUIZ) == 20
    assert len({home.split("/")[1] for _, _, home in quiz.QUIZ}) >= 8


def test_words_alone_lead_to_half_of_the_files() -> None:
    """Of 400 files the right one is among the first five for 14 of 20, and the first for 6: a floor, not a praise.

    A reader of words knows no grammar and no subject.
    """
    places = [place for place, _ in quiz.reader()]
    assert sum(place <= 5 for place in places) >= 10 and sum(place == 1 for place in places) >= 5
