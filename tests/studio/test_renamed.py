"""Command lines and run folders of older versions keep working."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from avatar_app.contracts.errors import StudioError
from avatar_app.studio import renamed, run_all
from avatar_app.studio.cli import COMMANDS, find
from avatar_app.studio.ledger import Ledger
from avatar_app.studio.recipe import whole_recipe
from avatar_app.studio.run_all import Pipeline

OLD_COMMANDS = {
    "speech": "train speech --data /d --run RUN/speech --cache RUN/cache/voices",
    "picture": "train picture --data /d --run RUN/picture --cache RUN/cache/pictures",
    "teacher-hear": "train teacher --data /d --run RUN/teacher --part hear --speech RUN/speech/best"
    " --voices RUN/cache/voices",
    "teacher-draw": "train teacher --data /d --run RUN/teacher --pictures RUN/cache/pictures --part draw",
    "judge": "train expert --data /d --run RUN/judge --voices RUN/cache/voices --picture RUN/picture/best"
    " --cache RUN/cache --seed 2",
    "ears": "distil ears --data /d --run RUN/ears --speech RUN/speech/best --picture RUN/picture/best"
    " --voices RUN/cache/voices",
    "nova-hd": "publish nova-hd --data /d --speech RUN/ears/best --picture RUN/picture/best --default",
}


@pytest.mark.parametrize("command", [*renamed.COMMANDS, ("train", "expert"), ("all",)])
def test_current_words_when_a_command_has_an_old_name_then_it_is_found(command):
    words = renamed.current_words([*command, "--help"])
    assert find(words) in COMMANDS
    assert words[-1] == "--help"


@pytest.mark.parametrize(
    ("words", "current"),
    [
        ("train teacher --part hear --hear-steps 5", "train teacher --part encoder --encoder-steps 5"),
        ("train teacher --part=draw --draw-steps=5", "train teacher --part=decoder --decoder-steps=5"),
        ("distil student --judge a --picture b", "distil student --test-expert a --mouth-renderer b"),
        ("publish nova-hd --speech a", "publish nova-hd --speech-encoder a"),
        ("publish --picture p --speech s nova-hd", "publish --mouth-renderer p --speech-encoder s nova-hd"),
        ("train expert --n-takes 3", "train expert --n-clips 3"),
        ("train speech --data speech --run hear", "train speech-encoder --data speech --run hear"),
    ],
)
def test_current_words_when_flags_or_values_have_old_names_then_replaced(words, current):
    assert renamed.current_words(words.split()) == current.split()
    assert renamed.current_words(current.split()) == current.split()


def test_current_facts_when_nested_then_keys_and_paths_are_replaced_once():
    old = {"pressures": {"truth": 1.0, "outputs": 0.5}, "n_clips": 4, "speech": "runs/speech/best", "data": "/data"}
    current = {
        "loss_weights": {"ground_truth": 1.0, "teacher_outputs": 0.5},
        "n_clips": 4,
        "speech_encoder": "runs/speech-encoder/best",
        "data": "/data",
    }
    assert renamed.current_facts(old) == current == renamed.current_facts(current)


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("module.net.ear.0.weight", "module.net.shared_audio_encoder.0.weight"),
        ("module.2 judge.binary_pred.bias", "module.2 discriminator.binary_pred.bias"),
        ("module.maps.maps.0.weight", "module.projections.projections.0.weight"),
        ("optimizer.0 speak.3.exp_avg", "optimizer.0 generator.3.exp_avg"),
        ("module.net.gear.weight", "module.net.gear.weight"),
    ],
)
def test_current_tensor_when_a_part_has_an_old_name_then_replaced(old, current):
    assert renamed.current_tensor(old) == current == renamed.current_tensor(current)


def test_rename_steps_when_folders_are_runs_then_renamed_and_others_stay(tmp_path):
    for name in ("speech", "picture", "judge", "notes"):
        (tmp_path / name).mkdir()
    (tmp_path / "speech" / "request.json").touch()
    (tmp_path / "picture" / "best").mkdir()
    for _ in range(2):
        renamed.rename_steps(tmp_path)
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {"speech-encoder", "mouth-renderer", "judge", "notes"}


def test_ledger_when_steps_have_old_names_then_the_recipe_continues(tmp_path):
    steps = {
        name: {"took_s": 1.0, "is_finished": name != "nova-hd", "command": command}
        for name, command in OLD_COMMANDS.items()
    }
    (tmp_path / "steps.json").write_text(json.dumps({"clock_s": 7.0, "steps": steps}))
    recipe = {step.name: step for step in whole_recipe(Path("/d"), tmp_path.resolve(), None)}
    ledger = Ledger(tmp_path)
    for name in OLD_COMMANDS:
        ledger.begin(recipe[renamed.current_step(name)])
    assert ledger.finished == {renamed.current_step(name) for name in OLD_COMMANDS} - {"nova-hd"}
    ran = []
    known = [recipe[renamed.current_step(name)] for name in OLD_COMMANDS]
    Pipeline(known, ledger, 1, lambda step: ran.append(step.name)).run()
    assert ran == ["nova-hd"]
    assert json.loads((tmp_path / "steps.json").read_text())["steps"].keys() == {step.name for step in known}


def test_ledger_when_an_old_step_had_other_data_then_error(tmp_path):
    step = {"took_s": 1.0, "is_finished": True, "command": OLD_COMMANDS["speech"]}
    (tmp_path / "steps.json").write_text(json.dumps({"clock_s": 7.0, "steps": {"speech": step}}))
    other = whole_recipe(Path("/other"), tmp_path.resolve(), None)[0]
    with pytest.raises(StudioError, match="step speech-encoder of this run was another command"):
        Ledger(tmp_path).begin(other)


@pytest.mark.studio
def test_load_student_when_tensors_have_old_names_then_same_weights(tmp_path):
    torch = pytest.importorskip("torch", reason="needs the studio extra")
    from avatar_app.studio.nets.nova96 import Nova96, load_student, save_student
    from avatar_app.studio.nets.tensor_file import save_tensors

    net = Nova96()
    save_student(tmp_path, net, {})
    old = {name.replace("shared_audio_encoder.", "ear."): value for name, value in net.state_dict().items()}
    save_tensors(tmp_path / "nova96.safetensors", old, {})
    loaded = load_student(tmp_path).state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in net.state_dict().items())


@pytest.mark.studio
def test_load_expert_when_its_facts_have_old_names_then_loads(tmp_path):
    pytest.importorskip("torch", reason="needs the studio extra")
    from avatar_app.studio.nets.expert import SyncExpert, load_expert, save_expert

    save_expert(tmp_path, SyncExpert(), {"may_judge": True})
    assert not load_expert(tmp_path).training


def test_all_when_the_run_is_of_an_older_version_then_folders_are_renamed_and_finished_steps_stay(
    tmp_path, monkeypatch
):
    runs, data = tmp_path / "runs", (tmp_path / "data").resolve()
    for folder in (data / "nova", data / "speech", runs / "speech" / "best"):
        folder.mkdir(parents=True)
    step = {"took_s": 1.0, "is_finished": True, "command": OLD_COMMANDS["speech"].replace("/d", str(data))}
    (runs / "steps.json").write_text(json.dumps({"clock_s": 1.0, "steps": {"speech": step}}))
    ran = []
    monkeypatch.setattr(run_all, "launch", lambda step: ran.append(step.name))
    assert run_all.main(["--data", str(data), "--run", str(runs)]) == 0
    assert "speech-encoder" not in ran and "mouth-renderer" in ran
    assert (runs / "speech-encoder" / "best").is_dir() and not (runs / "speech").exists()
