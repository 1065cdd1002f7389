"""The files of phrases: one a language, complete, and wrong entries are one line."""

import subprocess
import sys
from typing import get_args

import pytest

from unicomp import measuring
from unicomp.errors import SpecError
from unicomp.instruments import phrasebook
from unicomp.instruments.phrasebook import NOTHING, Group, Words, languages, read_language


@pytest.fixture
def read(tmp_path):
    def content(text):
        path = tmp_path / "xx.toml"
        path.write_text(text, encoding="utf-8")
        return read_language(path)

    return content


def test_every_language_is_read_and_every_entry_is_used_by_one():
    found = languages()
    assert set(found) >= {"en", "de", "fr", "es", "zh", "ar", "pt", "it", "nl", "id"}
    assert all(any(one.words[use] for one in found.values()) for use in get_args(Words))
    for group in get_args(Group):
        assert any(one.phrases[group] is not NOTHING for one in found.values())
    assert all(
        pattern.search("") is None for one in found.values() for pattern in one.phrases.values()
    )


def test_a_further_language_is_one_more_file(read):
    turkish = read(
        "[words]\nsmall = 've bir bu'\n[slots]\nwe = ['ben', 'biz']\n"
        "[phrases]\nrefuse = ['{we} yapamam', '''uzgunum\n  (?:ama|fakat)''']\n"
        "[grammar]\nhanging = 'and'\nclasses = {and = 've ile'}\nbanned = {and = 'and'}\n"
    )
    assert turkish.words["small"] == {"ve", "bir", "bu"}
    assert turkish.words["twice"] == frozenset()
    assert turkish.phrases["refuse"].search("hayir, biz yapamam")
    assert turkish.phrases["refuse"].search("uzgunumfakat")
    assert not turkish.phrases["refuse"].search("biz")
    assert turkish.phrases["help"] is NOTHING
    assert turkish.grammar.class_of == {"ve": "and", "ile": "and"}
    assert turkish.grammar.banned == {("and", "and")}
    assert read("").grammar is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[phrases", "xx.toml: "),
        ("[phrase]", "xx.toml: the file has no entry 'phrase'; it has words, slots"),
        ("[phrases]\nrefus = ['a']", "[phrases] has no entry 'refus'; it has refuse, preface"),
        ("[words]\ntiny = 'a'", "[words] has no entry 'tiny'"),
        ("[words]\nsmall = ['a']", "small in [words] must be a text"),
        ("[phrases]\nrefuse = 'a'", "refuse in [phrases] must be a list of texts"),
        ("[phrases]\nrefuse = [1]", "refuse in [phrases] must be a list of texts"),
        ("phrases = 1", "phrases must be a table"),
        ("[phrases]\nhelp = ['a', '(b', 'c']", "'(b' in help is not a regular expression: "),
        ("[phrases]\nhelp = ['a|b|']", "a phrase in help matches the empty text"),
        ("[phrases]\nhelp = ['{gap} a']", "[slots] has no entry 'gap'"),
        ("[grammar]\nhanging = 'and'", "[grammar.classes] has no entry 'and'"),
    ],
)
def test_a_wrong_entry_is_one_line_that_names_the_file(read, text, message):
    with pytest.raises(SpecError) as caught:
        read(text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("xx.toml: ")
    assert "\n" not in str(caught.value)


def test_importing_reads_no_file():
    code = (
        "import unicomp.instruments.refusal_rules, unicomp.scoring.guards\n"
        "from unicomp.instruments import phrasebook\n"
        "print(phrasebook.languages.cache_info().currsize)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"


def test_the_files_are_among_those_that_decide_records():
    names = {f"{path.parent.name}/{path.name}" for path in measuring._code()}
    assert names >= {f"phrases/{code}.toml" for code in phrasebook.languages()}
    assert "instruments/letters.toml" in names
    assert not [name for name in names if name.startswith("__pycache__")]
