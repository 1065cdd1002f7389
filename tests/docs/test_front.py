"""The README is short, and its picture is there."""

from .pages import REPOSITORY, blocks_of

README = REPOSITORY / "README.md"
TEXT = README.read_text(encoding="utf-8")


def block(title):
    return next(one for one in blocks_of(README) if one.title == title)


def test_the_readme_has_at_most_200_lines():
    assert len(TEXT.splitlines()) <= 200


def test_the_picture_stands_before_the_first_heading():
    assert "](docs/scorecard.svg)" in TEXT.partition("\n## ")[0]


def test_the_shown_test_has_eight_lines_and_the_settings_ten():
    assert len(block("test_release.py").body.rstrip().splitlines()) == 8
    assert len(block("unicomp.toml").body.rstrip().splitlines()) == 10


def test_the_shown_failure_is_run():
    shown = [one for one in blocks_of(README) if one.output is not None]
    assert len(shown) == 1
    assert shown[0].status == 1
    assert "E       assert <gsm8k:" in shown[0].output.body
