"""The wizard that makes an avatar of the user, step by step, with a fake camera and a fake command."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest

from avatar_app.contracts.enrol_progress import EnrolFailure, EnrolFinished, EnrolProgress, format_message
from avatar_app.contracts.enrol_request import EnrolRequest, read_request, write_request
from avatar_app.gui.enrol import make_page, services
from avatar_app.gui.enrol.enrolments import Enrolments
from avatar_app.gui.enrol.job import EnrolJob
from avatar_app.gui.enrol.live_pause import LivePause
from avatar_app.gui.enrol.look_page import NO_REPORT, sentences_of_report
from avatar_app.gui.enrol.video_panel import VideoPanel
from avatar_app.gui.enrol.wizard import LOOK, MAKE, RECORD, WHO, EnrolWizard
from avatar_app.gui.enrol.workspaces import kept, unfinished
from tests.fakes.enrol import MS, FakeCommand, Wish
from tests.fakes.person import write_recording
from tests.fakes.webcam import write_video
from tests.gui.conftest import press, settle
from tests.gui.test_accessible import name_of
from tests.gui.test_texts import check, texts_of
from tests.unit.test_enrol_recording import grey

pytestmark = pytest.mark.qt_log_ignore("This plugin does not support")
PROGRESS = EnrolProgress("renderer", "Learning the mouth", 0.42, 310.0)


@pytest.fixture
def wish(paths):
    return Wish(paths)


@pytest.fixture
def command(tmp_path):
    made = FakeCommand(tmp_path / "command")
    made.set_lines(format_message(PROGRESS), "wait")
    return made


@pytest.fixture
def made(tmp_path):
    """What a run makes: a report and a video."""
    report, video = tmp_path / "report.json", tmp_path / "comparison.mp4"
    report.write_text(json.dumps({"sentences": ["The lips follow the voice well."]}), encoding="utf-8")
    write_video(video, [grey(40), grey(200)])
    return EnrolFinished("ada", "ada-hd", str(report), str(video))


@pytest.fixture
def job(command):
    job = EnrolJob(command.command)
    yield job
    job.stop()


@pytest.fixture
def make_wizard(qtbot, wish, job):
    def make(enrolment=None, result=None):
        wizard = EnrolWizard(wish.services, job, enrolment, result)
        qtbot.addWidget(wizard)
        wizard.show()
        wizard.record.camera._timer.stop()
        return wizard

    return make


@pytest.fixture
def wizard(make_wizard):
    return make_wizard()


def fill_who(wizard, name="Ada L."):
    wizard.who.name.setText(name)
    wizard.who.consent.setChecked(True)
    press(wizard.next)


def record_all(wizard, wish):
    """Speak every sentence by pressing Next."""
    pane = wizard.record.camera
    pane._timer.stop()
    press(pane.go)
    for _ in range(200):
        wish.clock.advance(1_500 * MS)
        pane.poll()
        if pane.next.isEnabled():
            press(pane.next)
        if pane.is_complete:
            return
    raise AssertionError("the recording did not end")


def add_file(wizard, tmp_path):
    """Use a video file in place of a recording."""
    video = tmp_path / "IMG_1.mp4"
    video.write_bytes(b"video")
    press(wizard.record.source.button("file"))
    wizard.record.file.set_files((video,))
    return video


def go_to_make(wizard, tmp_path):
    fill_who(wizard)
    video = add_file(wizard, tmp_path)
    press(wizard.next)
    assert wizard.index == MAKE
    return video


def test_who_when_there_is_no_name_or_no_consent_then_nothing_starts(wizard, paths):
    assert wizard.index == WHO and not wizard.next.isEnabled()
    wizard.who.name.setText("Ada")
    assert not wizard.next.isEnabled()
    wizard.who.consent.setChecked(True)
    wizard.who.name.setText("   ")
    assert not wizard.next.isEnabled()
    QTest.keyClick(wizard, Qt.Key.Key_Return)
    assert wizard.index == WHO and not paths.enrolments_dir.exists()


def test_who_when_left_then_name_and_consent_are_kept(wizard, paths):
    fill_who(wizard, "Ada Löve")
    assert wizard.index == RECORD
    request = read_request(paths.enrolments_dir / "ada-love")
    assert request.name == "Ada Löve" and request.consent == "This is my own face, or I have the person's permission."


def test_who_when_the_folder_cannot_be_written_then_says_so(wizard, paths):
    paths.dir.mkdir(parents=True)
    paths.enrolments_dir.write_text("no folder", encoding="utf-8")
    fill_who(wizard)
    assert wizard.index == WHO and "cannot be written to" in wizard.problem.text()


def test_who_when_a_package_is_missing_then_names_the_command(wish, wizard):
    wish.missing = services.NO_STUDIO
    wizard.who.enter()
    assert wizard.who.missing.text().endswith(".venv/bin/pip install -e '.[studio]'")


def test_missing_when_packages_are_not_found_then_one_sentence_each(monkeypatch):
    monkeypatch.setattr(services.importlib.util, "find_spec", lambda name: None)
    assert services.what_is_missing() == services.NO_STUDIO
    monkeypatch.setattr(services.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(services, "is_installed", lambda: False)
    monkeypatch.setattr(services, "can_install", lambda: True)
    assert services.what_is_missing() == services.NO_TRACKER
    monkeypatch.setattr(services, "can_install", lambda: False)
    assert services.what_is_missing() == services.NO_TRACKER_EVER
    monkeypatch.setattr(services, "is_installed", lambda: True)
    assert services.what_is_missing() == ""


def test_record_when_all_is_spoken_then_the_files_are_there_and_the_live_avatar_paused(wizard, wish, paths):
    fill_who(wizard)
    assert wish.session.is_open and wish.live == [False] and not wizard.next.isEnabled()
    wizard.record.language.set_value("de", "")
    wizard.record.language.chosen.emit("de")
    record_all(wizard, wish)
    assert wizard.next.isEnabled()
    files = sorted((paths.enrolments_dir / "ada-l" / "recording").iterdir())
    assert [file.name for file in files][:2] == ["00-still.mkv", "01-de.mkv"] and len(files) == 12
    press(wizard.next)
    assert wizard.index == MAKE and not wish.session.is_open and wish.live == [False, True]


def test_record_when_the_camera_is_unplugged_then_pauses_and_what_was_recorded_stays(wizard, wish):
    fill_who(wizard)
    pane = wizard.record.camera
    press(pane.go)
    for _ in range(16):
        wish.clock.advance(1_000 * MS)
        pane.poll()
    assert pane.is_busy and not wizard.back.isEnabled()
    wish.session.has_camera, wish.session.problem = (
        False,
        "The camera Fake is gone. Plug it in again.",
    )
    pane.poll()
    assert not pane.is_busy and pane.advice.text() == wish.session.problem == pane.status.text()
    assert not pane.go.isEnabled() and pane.view.image is None and wizard.back.isEnabled()
    wish.session.has_camera, wish.session.problem = True, ""
    pane.poll()
    assert pane.go.isEnabled() and pane.go.text() == "Continue"
    assert pane.prompter.marks[0].value == "good"


def test_record_when_the_picture_has_a_problem_then_says_so(wizard, wish):
    fill_who(wizard)
    pane = wizard.record.camera
    assert pane.advice.text() == "Picture and light are good."
    wish.session.advice = "It is too dark: turn on more light."
    pane.poll()
    assert pane.advice.text() == wish.session.advice


def test_record_when_a_dot_is_clicked_then_shows_that_sentence(wizard, wish):
    fill_who(wizard)
    record_all(wizard, wish)
    pane = wizard.record.camera
    QTest.mouseClick(pane.dots, Qt.MouseButton.LeftButton, pos=pane.dots.centre_of(3).toPoint())
    assert pane.words.text() == pane.prompter.prompts[3].text and pane.repeat.isEnabled()
    QTest.keyClick(pane.dots, Qt.Key.Key_Right)
    assert pane.words.text() == pane.prompter.prompts[4].text
    press(pane.repeat)
    assert pane.is_busy and not wizard.next.isEnabled()


def test_record_when_closed_then_camera_and_microphone_are_closed(wizard, wish):
    fill_who(wizard)
    wizard.close()
    assert not wish.session.is_open and wish.live[-1] is True


def test_file_when_dropped_then_is_used_and_others_are_refused(wizard, tmp_path):
    fill_who(wizard)
    press(wizard.record.source.button("file"))
    pane = wizard.record.file
    for name, is_used in (("notes.txt", False), ("me.MOV", True)):
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(tmp_path / name))])
        actions, buttons, keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        pane.dropEvent(QDropEvent(QPointF(5, 5), actions, data, buttons, keys))
        assert wizard.next.isEnabled() is is_used
    assert pane.files == (tmp_path / "me.MOV",) and pane.chosen.text() == "me.MOV"
    press(pane.clear)
    assert not wizard.next.isEnabled()


def test_file_when_chosen_in_the_dialog_then_is_used(wizard, wish, tmp_path):
    fill_who(wizard)
    press(wizard.record.source.button("file"))
    wish.video = None
    press(wizard.record.file.choose)
    assert wizard.record.file.files == ()
    wish.video = str(tmp_path / "phone.mp4")
    press(wizard.record.file.choose)
    assert wizard.record.file.files == (tmp_path / "phone.mp4",)


def test_make_when_started_then_shows_progress_and_the_command_gets_all_it_needs(
    wizard, job, command, tmp_path, paths, qtbot
):
    picture = tmp_path / "preview.png"
    make_page.PicturePanel("x", (8, 8)).grab().save(str(picture))
    command.set_lines(format_message(replace(PROGRESS, preview=str(picture))), "wait")
    video = go_to_make(wizard, tmp_path)
    assert wizard.next.text() == "Make the avatar"
    press(wizard.make.quality.button("quick"))
    wizard.make.background.setChecked(True)
    press(wizard.next)
    qtbot.waitUntil(lambda: wizard.make.step.text() == "Learning the mouth")
    assert wizard.make.left.text() == "42 %, about 5 minutes left" and wizard.make.bar.value() == 420
    assert wizard.make.preview.image is not None
    assert wizard.next.text() == "Close" and not wizard.back.isEnabled()
    assert command.calls == [
        ["studio", "enrol", "--id", "ada-l", "--name", "Ada L.", "--quality", "quick", "--progress", "json",
         "--consent", "--keep-background", "--profile-dir", str(paths.dir), "--video", str(video)]
    ]  # fmt: skip
    press(wizard.next)
    assert not wizard.isVisible() and job.is_running


def test_make_when_recorded_then_the_text_goes_with_it(wizard, wish, command, paths, qtbot):
    fill_who(wizard)
    record_all(wizard, wish)
    press(wizard.next)
    press(wizard.next)
    qtbot.waitUntil(lambda: len(command.calls) == 1)
    arguments = command.calls[0]
    text = Path(arguments[arguments.index("--text") + 1])
    videos = arguments[arguments.index("--video") + 1 :]
    # The silence has no sentence.
    assert len(text.read_text(encoding="utf-8").splitlines()) == len(videos) - 1


def test_make_when_it_fails_then_one_sentence_and_continue(wizard, command, tmp_path, qtbot):
    command.set_lines(format_message(EnrolFailure("The video has no sound.", "Record it again.")))
    go_to_make(wizard, tmp_path)
    press(wizard.next)
    qtbot.waitUntil(lambda: wizard.make.problem.text() != "")
    assert wizard.make.problem.text() == "The video has no sound. Record it again."
    assert wizard.next.text() == "Continue" and wizard.back.isEnabled()


@pytest.mark.parametrize("is_there", [True, False])
def test_make_when_the_command_dies_or_is_missing_then_one_sentence(wizard, job, command, tmp_path, qtbot, is_there):
    command.set_lines("crash")
    if not is_there:
        job._command = (str(tmp_path / "no-such-program"),)
    go_to_make(wizard, tmp_path)
    press(wizard.next)
    qtbot.waitUntil(lambda: wizard.make.problem.text() != "")
    wanted = "The avatar was not finished" if is_there else "The program that makes the avatar cannot be started."
    assert wizard.make.problem.text().startswith(wanted) and not job.is_running


def test_make_when_a_package_is_missing_then_cannot_start(wizard, wish, tmp_path):
    wish.missing = services.NO_TRACKER
    go_to_make(wizard, tmp_path)
    assert wizard.make.problem.text() == services.NO_TRACKER and not wizard.next.isEnabled()


def test_make_when_paused_and_cancelled_then_the_process_stops_and_continues_later(
    wizard, job, command, tmp_path, qtbot
):
    command.set_lines("nice", format_message(PROGRESS), "wait", format_message(PROGRESS), "wait")
    go_to_make(wizard, tmp_path)
    press(wizard.next)
    qtbot.waitUntil(lambda: wizard.make.bar.value() == 420)
    press(wizard.make.pause)
    assert job.is_paused and wizard.make.pause.text() == "Continue"
    qtbot.waitUntil(lambda: {process.status() for process in job._processes()} == {"stopped"})
    press(wizard.make.pause)
    assert not job.is_paused
    press(wizard.make.pause)
    press(wizard.make.cancel)
    assert not job.is_running and wizard.next.text() == "Continue" and wizard.make.step.text().startswith("Cancelled")
    press(wizard.next)
    qtbot.waitUntil(lambda: len(command.calls) == 2)
    assert command.calls[0] == command.calls[1]


def test_job_when_started_then_has_low_priority(job, command, qtbot):
    command.set_lines("wait", format_message(PROGRESS), "wait")
    job.start(["x"])
    qtbot.waitUntil(lambda: job._processes() != [] and job._processes()[0].nice() >= 10)


def test_job_when_the_output_has_other_lines_and_pieces_then_reads_the_messages(job, command, qtbot):
    command.set_lines("torch: a warning", format_message(PROGRESS), "{broken", "wait")
    seen = []
    job.progressed.connect(seen.append)
    job.start(["x"])
    qtbot.waitUntil(lambda: seen != [])
    assert seen == [PROGRESS]


def test_video_when_its_rows_have_a_gap_then_shown(qtbot, tmp_path):
    """The decoder fills the rows of most widths up; that of the comparison is one of them."""
    pictures = [np.full((64, 1048, 3), 40 * k, np.uint8) for k in range(3)]
    path = write_recording(tmp_path / "wide.mkv", pictures, np.zeros(3 * 640, np.float32))
    panel = VideoPanel("Comparison", (200, 100))
    qtbot.addWidget(panel)
    panel.show()
    panel.play(str(path))
    qtbot.waitUntil(lambda: panel.n_shown >= 2)
    assert panel.image.width() == 1048
    panel.stop()


def test_result_when_finished_then_shows_video_and_figures(wizard, command, made, tmp_path, qtbot):
    command.set_lines(format_message(made))
    go_to_make(wizard, tmp_path)
    press(wizard.next)
    qtbot.waitUntil(lambda: wizard.index == LOOK)
    assert [label.text() for label in wizard.look.sentences] == ["The lips follow the voice well."]
    qtbot.waitUntil(lambda: wizard.look.video.n_shown >= 2)
    assert wizard.look.video.image.width() == 64


@pytest.mark.parametrize("keeps", [False, True])
def test_keep_when_pressed_then_the_avatar_is_chosen_and_the_recording_is_deleted_unless_ticked(
    wizard, command, made, tmp_path, paths, qtbot, keeps
):
    command.set_lines(format_message(made))
    video = go_to_make(wizard, tmp_path)
    press(wizard.next)
    qtbot.waitUntil(lambda: wizard.index == LOOK)
    chosen = []
    wizard.kept.connect(lambda *ids: chosen.append(ids))
    wizard.look.keep_recording.setChecked(keeps)
    press(wizard.next)
    assert chosen == [("ada", "ada-hd")] and not wizard.isVisible()
    folder = paths.enrolments_dir / "ada-l"
    assert folder.exists() is keeps and unfinished(paths) == ()
    assert [one.id for one in kept(paths)] == (["ada-l"] if keeps else [])
    # The user's own file is never deleted.
    assert video.exists()


def test_improve_when_pressed_then_learns_again_with_the_best_quality(wizard, command, made, tmp_path, qtbot):
    command.set_lines(format_message(made))
    go_to_make(wizard, tmp_path)
    press(wizard.next)
    qtbot.waitUntil(lambda: wizard.index == LOOK)
    command.set_lines("wait")
    press(wizard.look.improve)
    assert wizard.index == MAKE
    qtbot.waitUntil(lambda: len(command.calls) == 2)
    assert "best" in command.calls[1]


@pytest.mark.parametrize("agrees", [False, True])
def test_delete_when_pressed_then_asks_and_removes_everything(make_wizard, wish, made, paths, agrees):
    write_request(paths.enrolments_dir / "ada", EnrolRequest("Ada", "yes", ("/x.mp4",)))
    (paths.avatars_dir / "ada").mkdir(parents=True)
    wizard = make_wizard(unfinished(paths)[0], made)
    assert wizard.index == LOOK
    wish.agrees = agrees
    press(wizard.look.delete)
    assert (paths.enrolments_dir / "ada").exists() is not agrees
    assert (paths.avatars_dir / "ada").exists() is not agrees
    assert wizard.isVisible() is not agrees


def test_delete_when_pressed_before_the_end_then_the_recording_is_gone(wizard, wish, job, command, paths, qtbot):
    fill_who(wizard)
    record_all(wizard, wish)
    press(wizard.next)
    press(wizard.next)
    qtbot.waitUntil(lambda: job.newest is not None)
    assert not wizard.discard.isEnabled()
    press(wizard.make.cancel)
    press(wizard.discard)
    assert not wizard.isVisible() and list(paths.enrolments_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ('{"sentences": ["a", 3, "b"]}', ("a", "b")),
        ('{"sentences": "a"}', (NO_REPORT,)),
        ("{}", (NO_REPORT,)),
        ("broken", (NO_REPORT,)),
    ],
)
def test_report_when_read_then_only_its_sentences_are_shown(tmp_path, content, wanted):
    (tmp_path / "report.json").write_text(content, encoding="utf-8")
    assert sentences_of_report(tmp_path / "report.json") == wanted


def test_wizard_when_continued_then_shows_the_step_that_is_next(make_wizard, paths, tmp_path):
    video = tmp_path / "phone.mp4"
    write_request(paths.enrolments_dir / "ada", EnrolRequest("Ada", "yes"))
    wizard = make_wizard(unfinished(paths)[0])
    assert wizard.index == RECORD and wizard.who.name.text() == "Ada" and not wizard.who.consent.isEnabled()
    wizard.close()
    video.write_bytes(b"x")
    write_request(paths.enrolments_dir / "ada", EnrolRequest("Ada", "yes", (str(video),), quality="quick"))
    wizard = make_wizard(unfinished(paths)[0])
    assert wizard.index == MAKE and wizard.make.quality.value() == "quick" and wizard.next.text() == "Continue"
    assert wizard.record.videos == (video,)


def test_results_when_the_recording_changed_then_are_made_again(make_wizard, paths, tmp_path, command, qtbot):
    folder = paths.enrolments_dir / "ada"
    old, new = tmp_path / "old.mp4", tmp_path / "new.mp4"
    for file in (old, new):
        file.write_bytes(b"x")
    write_request(folder, EnrolRequest("Ada", "yes", (str(old),)))
    (folder / "track").mkdir()
    wizard = make_wizard(unfinished(paths)[0])
    press(wizard.make.quality.button("best"))
    press(wizard.next)
    qtbot.waitUntil(lambda: len(command.calls) == 1)
    assert (folder / "track").exists()
    press(wizard.make.cancel)
    wizard.record.file.set_files((new,))
    press(wizard.next)
    assert not (folder / "track").exists() and read_request(folder).videos == (str(new),)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-1, "measuring the time left"), (20, "less than a minute left"), (61, "about 1 minute left"),
     (300, "about 5 minutes left"), (9000, "about 2.5 hours left")],
)  # fmt: skip
def test_time_left_when_shown_then_in_words(seconds, words):
    assert make_page.time_left(seconds) == words


def test_texts_when_read_then_are_plain(wizard, wish, made, tmp_path):
    wish.missing = services.NO_STUDIO
    fill_who(wizard)
    record_all(wizard, wish)
    add_file(wizard, tmp_path)
    wizard.look.show_result(made)
    settle()
    check(texts_of(wizard))
    wizard.look.video.stop()


def test_names_when_read_by_a_screen_reader_then_every_control_has_one(wizard, wish, tmp_path):
    for step in (WHO, RECORD, MAKE, LOOK):
        if step == RECORD:
            fill_who(wizard)
        else:
            wizard.show_step(step)
        settle()
        controls = [one for one in wizard.findChildren(make_page.QCheckBox.__base__) if one.isVisible()]
        assert all(name_of(one) for one in controls) and controls


def test_pause_when_the_live_avatar_ran_then_it_runs_again_unless_the_program_ends():
    calls, running = [], [True]
    pause = LivePause(lambda: running[0], calls.append)
    pause.set_live(False)
    running[0] = False
    pause.set_live(False)
    pause.set_live(True)
    pause.set_live(True)
    assert calls == [False, True]
    running[0] = True
    pause.set_live(False)
    pause.forget()
    pause.set_live(True)
    assert calls == [False, True, False]


@pytest.fixture
def enrolments(qtbot, wish, command, notices):
    window = make_page.PicturePanel("window", (8, 8))
    qtbot.addWidget(window)
    made = Enrolments(wish.services, notices, window, command.command)
    yield made
    made.close()


def test_enrolments_when_made_then_can_be_continued_from_the_list(enrolments, tmp_path, qtbot):
    assert enrolments.options() == ()
    enrolments.make()
    wizard = enrolments.wizard
    go_to_make(wizard, tmp_path)
    assert [(one.value, one.text) for one in enrolments.options()] == [("ada-l", "Continue making Ada L. …")]
    press(wizard.next)
    qtbot.waitUntil(lambda: enrolments.options()[0].text == "Making Ada L.: 42 % …")
    wizard.close()
    assert enrolments.wizard is None and enrolments.job.is_running
    # One avatar at a time.
    enrolments.make()
    assert enrolments.wizard.index == MAKE and enrolments.wizard.make.step.text() == "Learning the mouth"


def test_enrolments_when_finished_while_closed_then_a_notice_and_the_result_is_shown(
    enrolments, command, made, tmp_path, notices, qtbot
):
    command.set_lines("wait", format_message(made))
    enrolments.make()
    go_to_make(enrolments.wizard, tmp_path)
    press(enrolments.wizard.next)
    enrolments.wizard.close()
    command.let_go()
    qtbot.waitUntil(lambda: notices.current() != ())
    assert notices.current()[0].text == "Your avatar is finished."
    enrolments.open("ada-l")
    assert enrolments.wizard.index == LOOK and notices.current() == ()


def test_enrolments_when_failed_while_closed_then_a_notice(enrolments, command, tmp_path, notices, qtbot):
    command.set_lines("wait", format_message(EnrolFailure("The disk is full.", "Free some space.")))
    enrolments.make()
    go_to_make(enrolments.wizard, tmp_path)
    press(enrolments.wizard.next)
    enrolments.wizard.close()
    command.let_go()
    qtbot.waitUntil(lambda: notices.current() != ())
    assert notices.current()[0].text == "The disk is full."


def test_enrolments_when_the_program_ends_then_the_process_ends(enrolments, tmp_path, qtbot):
    enrolments.make()
    go_to_make(enrolments.wizard, tmp_path)
    press(enrolments.wizard.next)
    qtbot.waitUntil(lambda: enrolments.job.newest is not None)
    processes = enrolments.job._processes()
    enrolments.close()
    assert processes and all(not process.is_running() for process in processes)
