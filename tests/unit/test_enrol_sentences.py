"""The teleprompter's sentences: every sound of the language, in about 45 seconds."""

import re
import shutil
import subprocess

import pytest

from avatar_app.gui.enrol.sentences import FOLDER, LANGUAGES, language_of, reading_s, sentences_of

# The sounds of each language (IPA), after the "Illustrations of the IPA" of the Journal of the IPA; sounds of
# loanwords alone are left out. Diphthongs and long consonants where the mouth moves differently.
SOUNDS = {
    "en": "p b m f v θ ð t d s z ʃ ʒ tʃ dʒ k ɡ ŋ n l r w j h iː ɪ e æ ɑː ɒ ɔː ʊ uː ʌ ɜː ə eɪ aɪ ɔɪ aʊ əʊ ɪə eə",
    "de": "p b m f v t d s z ʃ ç x h k ɡ n ŋ l ʁ j pf ts tʃ iː ɪ yː ʏ eː ɛ ɛː øː œ aː a oː ɔ uː ʊ ə ɐ aɪ aʊ ɔʏ",
    "fr": "p b m f v t d s z ʃ ʒ k ɡ n ɲ l ʁ j w ɥ i e ɛ a ɔ o u y ø œ ə ɛ̃ ɑ̃ ɔ̃",
    "es": "p b m f t d s θ x tʃ ʝ k ɡ n ɲ ŋ l r ɾ w j a e i o u ai ei eu we wa",
    "pt": "p b m f v t d s z ʃ ʒ k ɡ n ɲ l ʎ ʁ ɾ w a e ɛ i o ɔ u ɐ̃ ẽ ĩ õ ũ ɐ̃w õj ɐ̃j aj ej ew",
    "it": "p b m f v t d s z ʃ ts dz tʃ dʒ k ɡ n ɲ l ʎ r j w a e ɛ i o ɔ u tt bb",
}
# What flite calls the sounds of American English; it has one name for the vowels of "cup" and "father".
FLITE_PHONES = {
    "p", "b", "m", "f", "v", "th", "dh", "t", "d", "s", "z", "sh", "zh", "ch", "jh", "k", "g", "ng", "n", "l", "r", "w",
    "y", "hh", "iy", "ih", "eh", "ae", "aa", "ao", "uh", "uw", "er", "ax", "ey", "ay", "oy", "aw", "ow",
}  # fmt: skip


def words_of(language):
    return set(re.findall(r"[^\W\d_]+", " ".join(sentences_of(language)).lower()))


def table_of(language):
    """The word that stands for each sound."""
    lines = (FOLDER / f"{language}.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.removeprefix("#: ").split() for line in lines if line.startswith("#: "))


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_when_read_then_each_sound_of_the_language_has_a_word(language):
    table = table_of(language)
    assert set(table) == set(SOUNDS[language].split())
    assert {word for word in table.values() if word.lower() not in words_of(language)} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentences_when_read_aloud_then_take_about_45_seconds(language):
    found = sentences_of(language)
    assert 40 <= sum(map(reading_s, found)) <= 52
    assert all(2 <= reading_s(one) <= 6 and one[-1] in ".?!" for one in found)
    assert len(set(found)) == len(found)


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_english_sentences_when_flite_speaks_them_then_every_phone_occurs():
    spoken = subprocess.run(
        ["flite", "-ps", "-o", "none", "-t", " ".join(sentences_of("en"))], capture_output=True, text=True, check=True
    )
    assert FLITE_PHONES - set(spoken.stdout.split()) == set()


def test_language_when_the_locale_has_no_sentences_then_is_english():
    assert [language_of(locale) for locale in ("de_AT", "pt-BR", "sv_SE", "")] == ["de", "pt", "en", "en"]
