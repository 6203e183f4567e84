"""The order of a recording: silence, sentences, pause, repeat, problems."""

import pytest

from avatar_app.gui.enrol import teleprompter
from avatar_app.gui.enrol.prompt_texts import shown_of
from avatar_app.gui.enrol.teleprompter import Mark, Phase, SentenceEnd, Teleprompter, prompts_of, total_s
from tests.fakes.enrol import MS, FakeSession

QUIET_DB, LOUD_DB = -70.0, -20.0


class Desk:
    """A teleprompter with three prompts, and its time."""

    def __init__(self, folder, n=3):
        self.camera = FakeSession()
        self.prompts = prompts_of("en", folder, ".mkv")[:n]
        self.prompter = Teleprompter(self.prompts, self.camera)
        self.t_ns = 10**12

    def run(self, seconds, level_db=QUIET_DB):
        for _ in range(round(seconds / 0.05)):
            self.t_ns += 50 * MS
            self.prompter.tick(self.t_ns, level_db)

    def go(self):
        self.prompter.go(self.t_ns)

    def speak(self):
        """Read the sentence to its end."""
        self.run(1.0)
        self.run(self.prompter.prompt.seconds, LOUD_DB)
        self.run(1.1)

    @property
    def phase(self):
        return self.prompter.phase


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_recording_when_all_goes_well_then_silence_and_each_sentence_follow_by_themselves(desk):
    assert desk.phase is Phase.READY and desk.prompter.prompt.is_silent
    desk.go()
    desk.run(2.9)
    assert desk.phase is Phase.COUNTDOWN and desk.camera.begun == []
    desk.run(0.2)
    assert desk.phase is Phase.RECORDING
    desk.run(10.2)
    assert desk.prompter.index == 1 and desk.camera.begun[0] == (desk.prompts[0].file, True)
    desk.speak()
    desk.speak()
    assert desk.phase is Phase.DONE and desk.prompter.is_complete
    assert [file for file, _ in desk.camera.begun] == [prompt.file for prompt in desk.prompts]


def test_sentence_when_it_is_not_spoken_then_waits(desk):
    desk.go()
    desk.run(14.0)
    index = desk.prompter.index
    desk.run(30.0)
    assert desk.phase is Phase.RECORDING and desk.prompter.index == index == 1
    desk.prompter.next()
    desk.run(0.1)
    assert desk.prompter.marks[1] is Mark.GOOD


def test_sentence_when_ended_too_early_then_goes_on(desk):
    desk.go()
    desk.run(14.2)
    assert desk.prompter.index == 1
    desk.run(1.5)
    desk.prompter.next()
    assert desk.phase is Phase.RECORDING and not shown_of(desk.prompter, has_devices=True).can_end
    desk.run(1.5)
    desk.prompter.next()
    assert desk.phase is Phase.SAVING


def test_end_when_there_is_a_pause_between_words_then_does_not_cut_the_sentence():
    end, t_ms = SentenceEnd(3.0, 0), 0
    for seconds, level_db, is_over in ((0.5, -70, False), (0.6, -20, False), (1.5, -70, False), (1.2, -20, False)):
        for _ in range(round(seconds * 20)):
            t_ms += 50
            assert end.feed(level_db, t_ms * MS) is is_over
    assert [end.feed(-70, (t_ms + step) * MS) for step in (500, 800, 950)] == [False, False, True]


def test_sentence_when_flawed_then_stops_until_it_is_repeated_or_kept(desk):
    desk.camera.outcomes = ["", "Your voice is too quiet."]
    desk.go()
    desk.run(13.6)
    desk.speak()
    assert desk.phase is Phase.PAUSED and desk.prompter.marks[1] is Mark.FLAWED
    shown = shown_of(desk.prompter, has_devices=True)
    assert shown.status == "Your voice is too quiet. Repeat it, or continue." and shown.is_repeat_better
    desk.prompter.repeat(desk.t_ns)
    desk.run(3.2)
    desk.speak()
    assert desk.prompter.marks[1] is Mark.GOOD and desk.prompter.index == 2
    assert [file for file, _ in desk.camera.begun].count(desk.prompts[1].file) == 2


def test_sentence_when_flawed_and_continued_then_is_kept(desk):
    desk.camera.outcomes = ["", "Blurred."]
    desk.go()
    desk.run(13.6)
    desk.speak()
    desk.go()
    assert desk.prompter.index == 2 and desk.prompter.marks[1] is Mark.FLAWED
    desk.run(3.2)
    desk.speak()
    assert desk.phase is Phase.DONE


def test_sentence_when_it_cannot_be_written_then_says_why_and_the_others_stay(desk):
    desk.camera.outcomes = ["", None]
    desk.go()
    desk.run(13.6)
    desk.speak()
    assert desk.phase is Phase.PAUSED and desk.prompter.marks == [Mark.GOOD, Mark.NONE, Mark.NONE]
    assert desk.prompter.problem == "The disk is full. Free some space."
    assert shown_of(desk.prompter, has_devices=True).go_text == "Continue"


def test_recording_when_paused_then_drops_the_sentence_and_begins_it_again(desk):
    desk.go()
    desk.run(15.0)
    desk.prompter.pause("The camera was disconnected.")
    assert desk.camera.n_cancelled == 1 and desk.phase is Phase.PAUSED
    assert shown_of(desk.prompter, has_devices=False).can_go is False
    desk.go()
    desk.run(3.2)
    assert desk.camera.begun[-1][0] == desk.prompts[1].file and desk.prompter.problem == ""


def test_recording_when_started_again_later_then_continues_after_what_is_there(desk, tmp_path):
    for prompt in desk.prompts[:2]:
        prompt.file.write_bytes(b"x")
    again = Desk(tmp_path)
    assert again.prompter.index == 2 and again.prompter.marks[:2] == [Mark.GOOD, Mark.GOOD]
    desk.prompts[2].file.write_bytes(b"x")
    assert Desk(tmp_path).phase is Phase.DONE


def test_sentence_when_selected_then_can_be_repeated_but_not_while_recording(desk):
    for prompt in desk.prompts:
        prompt.file.write_bytes(b"x")
    desk = Desk(desk.prompts[0].file.parent)
    desk.prompter.select(1)
    desk.prompter.repeat(desk.t_ns)
    desk.run(3.2)
    assert desk.camera.begun[-1][0] == desk.prompts[1].file
    desk.prompter.select(2)
    assert desk.prompter.index == 1
    desk.speak()
    assert desk.phase is Phase.DONE


def test_result_when_it_arrives_after_a_pause_then_does_not_count_for_the_next_sentence(desk):
    desk.go()
    desk.run(15.0)
    desk.camera.outcomes = ["Late."]
    desk.camera.end()
    desk.prompter.pause()
    desk.go()
    desk.run(5.5)
    desk.prompter.next()
    desk.run(0.1)
    assert desk.prompter.marks[1] is Mark.GOOD and desk.prompter.problems[1] == ""


def test_prompts_when_of_two_languages_then_share_the_silence_only(tmp_path):
    english, german = (prompts_of(code, tmp_path, ".mkv") for code in ("en", "de"))
    assert {one.file for one in english} & {one.file for one in german} == {english[0].file}
    assert 55 <= total_s(german) <= 75 and teleprompter.STILL_S == 10
