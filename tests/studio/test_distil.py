"""Sync expert, ablation and distillation: short runs on a synthetic dataset."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the studio extra")

from avatar_app.contracts.errors import StudioError  # noqa: E402
from avatar_app.studio.data.speech_batches import draw_batch  # noqa: E402
from avatar_app.studio.distil import ablation, speech_encoder, student, variance_compensation  # noqa: E402
from avatar_app.studio.metrics.generators import GeneratorScorer, generated_clip  # noqa: E402
from avatar_app.studio.metrics.sync import distances, found_ratio, scores  # noqa: E402
from avatar_app.studio.mouth import REST  # noqa: E402
from avatar_app.studio.nets.discriminator import QualityDiscriminator  # noqa: E402
from avatar_app.studio.nets.expert import SyncExpert, load_expert, save_expert  # noqa: E402
from avatar_app.studio.nets.feature_distillation import FeatureProjections, n_decoder_channels  # noqa: E402
from avatar_app.studio.nets.generator import GeneratorShape  # noqa: E402
from avatar_app.studio.nets.mouth_renderer import MouthRenderer, save_mouth_renderer  # noqa: E402
from avatar_app.studio.nets.nova96 import Nova96, load_student, save_student  # noqa: E402
from avatar_app.studio.nets.speech_encoder import (  # noqa: E402
    SpeechEncoder,
    SpeechEncoderShape,
    load_speech_encoder,
    save_speech_encoder,
)
from avatar_app.studio.nets.teacher import Teacher, save_teacher  # noqa: E402
from avatar_app.studio.train import expert as expert_module  # noqa: E402
from avatar_app.studio.train import joint  # noqa: E402
from avatar_app.studio.train.expert import ExpertRecipe, ExpertTask  # noqa: E402
from avatar_app.studio.train.loop import step_generator  # noqa: E402
from avatar_app.studio.train.speech_encoder import SpeechRecipe, load_data  # noqa: E402
from tests.studio.small_nets import RENDERER, make_wav2lip_small  # noqa: E402
from tests.studio.tiny_dataset import give_weak_norms, tiny_dataset  # noqa: E402

pytestmark = pytest.mark.studio


@pytest.fixture(scope="module")
def dataset():
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tiny_dataset()
    torch.set_num_threads(n_threads)


@pytest.fixture
def folders(dataset, tmp_path, monkeypatch):
    """Narrow networks in `best` folders for distillation, and the arguments for them."""
    make_wav2lip_small(monkeypatch)
    monkeypatch.setattr(joint, "N_HELD_OUT_CLIPS", 4)
    for module in (ablation, student, expert_module):
        monkeypatch.setattr(module, "load_dataset", lambda *_: dataset)
    save_expert(tmp_path / "expert", SyncExpert(), {"is_reliable": True})
    save_teacher(tmp_path / "teacher", Teacher(), {})
    torch.manual_seed(0)
    net = Nova96()
    give_weak_norms(net)
    save_student(tmp_path / "student", net, {})
    names = {"--data": "data", "--mouth-renderer": "p", "--teacher": "teacher", "--test-expert": "expert"}
    return [word for flag, name in names.items() for word in (flag, str(tmp_path / name))]


@torch.no_grad()
def test_feature_projections_when_exact_then_zero_and_for_constant_features_then_one():
    torch.manual_seed(0)
    small, large = GeneratorShape(4, 8, 8, False), GeneratorShape(16, 32, 32, True)
    sizes = (1, 3, 6, 12, 24, 48, 96)
    projections = FeatureProjections(small, large)
    features = [torch.randn(6, n + 3, s, s) for n, s in zip(n_decoder_channels(small), sizes, strict=True)]
    exact = FeatureProjections(small, large).projections
    target = [m(x[:, : m.in_channels]) + 5 for m, x in zip(exact, features, strict=True)]
    # The teacher has more rows than the student; channels of the face are ignored.
    taller = [torch.cat((torch.randn(*t.shape[:2], 2, t.shape[3]), t), 2) for t in target]
    projections.load_state_dict({f"projections.{k}": v for k, v in exact.state_dict().items()})
    assert float(projections(features, taller)) < 1e-6
    constant = [torch.zeros_like(x) for x in features]
    assert float(projections(constant, taller)) == pytest.approx(1.0, abs=1e-4)


def test_discriminator_when_published_width_then_published_size():
    with torch.device("meta"):
        assert sum(p.numel() for p in QualityDiscriminator().parameters()) == 14_113_793
    assert QualityDiscriminator(2)(torch.rand(3, 3, 48, 96)).shape == (3,)


def test_expert_when_trained_then_the_contrastive_loss_falls(dataset):
    task = ExpertTask(dataset, ExpertRecipe(n_clips=3, n_pictures=14, peak_rate=5e-3), seed=0)
    # The same batch at each step, so that the loss falls quickly.
    losses = [task.step(k, 8, step_generator(0, 0))["contrast"] for k in range(8)]
    assert losses[0] == pytest.approx(np.log(30), rel=0.1)
    assert losses[-1] < 0.5 * losses[0]


def test_found_ratio_when_distances_are_lowest_at_zero_then_all_and_when_shifted_then_none():
    found = np.ones((50, 31), np.float32)
    found[:, 15] = 0.2
    assert found_ratio([found]) == 1.0
    assert found_ratio([np.roll(found, 4, axis=1)]) == 0.0
    late = scores(np.roll(found, 4, axis=1))
    assert (late.offset_pictures, late.distance, late.confidence) == (4, pytest.approx(0.2), pytest.approx(0.8))


def test_distances_when_the_sound_is_shifted_then_columns_shift_with_it(dataset):
    scene = dataset.test[0]
    torch.manual_seed(0)
    expert = SyncExpert().eval()
    here = distances(expert, scene)
    later = distances(expert, replace(scene, magnitudes=np.roll(scene.magnitudes, 16, axis=0)))
    # Sixteen columns are five pictures.
    assert np.abs(here[8:14, 13:17] - later[8:14, 18:22]).max() < 0.02


def test_load_expert_when_it_is_not_reliable_then_error(tmp_path):
    save_expert(tmp_path, SyncExpert(), {"is_reliable": False, "held_out": {"found_single_ratio": 0.5}})
    with pytest.raises(StudioError, match="50%"):
        load_expert(tmp_path)


def test_expert_main_when_trained_too_little_then_marked_as_not_reliable(folders, tmp_path, caplog):
    arguments = [
        "--data",
        "d",
        "--run",
        str(tmp_path / "e"),
        "--mouth-renderer",
        "p",
        "--n-steps",
        "1",
        "--n-clips",
        "2",
    ]
    caplog.set_level("INFO")
    assert expert_module.main([*arguments, "--n-pictures", "12"]) == 0
    assert json.loads((tmp_path / "e" / "best" / "expert.json").read_text())["is_reliable"] is False
    assert "not reliable" in caplog.text


def test_expert_main_when_segments_are_too_short_then_error_names_the_minimum(tmp_path):
    arguments = ["--data", "d", "--run", str(tmp_path / "e"), "--mouth-renderer", "p", "--n-pictures", "9"]
    with pytest.raises(StudioError, match="too short for shifts") as caught:
        expert_module.main(arguments)
    assert "10" in caught.value.what_to_do


def test_save_expert_when_its_folder_cannot_be_made_then_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StudioError, match="cannot be written to"):
        save_expert(tmp_path / "file" / "best", SyncExpert(), {})


def test_ablation_when_in_several_processes_then_error(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation.parallel, "n_processes", lambda: 2)
    arguments = ["--run", str(tmp_path / "a"), "--expert", str(tmp_path / "expert"), "--arithmetic", "fp32"]
    with pytest.raises(StudioError, match="one process only"):
        ablation.main([*folders, *arguments])


def test_ablation_when_run_then_a_row_for_each_recipe_and_the_teacher(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(ablation, "CONFIG", replace(ablation.CONFIG, n_clips=2))
    arguments = ["--run", str(tmp_path / "a"), "--expert", str(tmp_path / "expert"), "--n-steps", "1"]
    assert ablation.main([*folders, *arguments]) == 0
    table = json.loads((tmp_path / "a" / "ablation.json").read_text())
    assert [row["name"] for row in table["rows"]] == ["teacher", *ablation.RECIPES]
    assert {"mouth_psnr_db", "mouth_ssim", "opening_correlation", "confidence", "jitter"} < table["rows"][0].keys()
    assert (tmp_path / "a" / "samples" / "000001.png").exists()


def test_student_when_distilled_then_its_folder_loads_and_only_trained_parts_change(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(variance_compensation, "GAINS", (1.0, 1.5))
    for part in ("PIXELS", "CLOSINGS"):
        monkeypatch.setattr(student, part, replace(getattr(student, part), n_clips=4))
    arguments = ["--run", str(tmp_path / "d"), "--student", str(tmp_path / "student"), "--n-steps", "2"]
    assert student.main([*folders, *arguments, "--closing-steps", "1"]) == 0
    before, after = (load_student(folder).state_dict() for folder in (tmp_path / "student", tmp_path / "d" / "best"))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed <= {"shared_audio_encoder", "audio_encoders", "face_decoder_blocks", "output_block"}
    assert "shared_audio_encoder" in changed
    about = json.loads((tmp_path / "d" / "best" / "nova96.json").read_text())
    assert set(about["test"]) == {f"lookahead_{ms}" for ms in (0, 40, 80, 160)}
    assert set(about["lips_closed"]) == {*about["test"], "teacher", "initial"}
    assert {"pixels", "closings", "student", "teacher"} <= about["recipe"].keys()
    files = (tmp_path / "d" / part / "metrics.jsonl" for part in ("pixels", "closings"))
    pixels, closings = (json.loads(file.read_text().splitlines()[0]) for file in files)
    assert (pixels["step"], closings["step"]) == (2, 3)
    assert "closing" in closings and "closing" not in pixels


def test_compensate_variance_when_motion_is_weak_then_scaled_around_the_mean(dataset, monkeypatch):
    torch.manual_seed(0)
    net = Nova96().eval()
    give_weak_norms(net)
    mean = variance_compensation.mean_code(net, dataset.held_out, 40)
    before = net.audio_encoders[1][-1].conv_block[1].weight.clone()
    monkeypatch.setattr(variance_compensation, "GAINS", (1.0, 1.2, 1.5))
    gains = variance_compensation.compensate_variance(
        net, dataset.held_out, dataset.rest, GeneratorScorer.of_dataset(dataset, SyncExpert()).reader
    )
    # The output of a random network hardly varies.
    assert gains == {0: 1.5, 40: 1.5, 80: 1.5, 160: 1.5}
    torch.testing.assert_close(net.audio_encoders[1][-1].conv_block[1].weight, 1.5 * before)
    torch.testing.assert_close(variance_compensation.mean_code(net, dataset.held_out, 40), mean, atol=1e-4, rtol=1e-3)


def test_distil_when_the_teacher_is_missing_then_error(folders, tmp_path):
    arguments = [word if word != str(tmp_path / "teacher") else str(tmp_path / "no") for word in folders]
    with pytest.raises(StudioError, match="The teacher in"):
        student.main([*arguments, "--run", str(tmp_path / "d"), "--student", str(tmp_path / "student")])


def test_scorer_when_a_network_is_scored_then_psnr_and_jitter_are_positive(dataset):
    scorer = GeneratorScorer.of_dataset(dataset, SyncExpert().eval())
    net = Nova96()
    give_weak_norms(net)
    drawn = generated_clip(net, dataset.test[0], dataset.rest, 160)
    assert drawn.pictures.shape == dataset.test[0].pictures.shape
    found = scorer.score(net, 160)
    assert 0 < found.mouth_psnr_db < 40 and found.jitter > 0


def test_scorer_when_a_mouth_rests_then_sync_is_scored_on_the_other_clips_and_without_any_it_is_an_error(dataset):
    resting = replace(dataset.test[0], mouth=np.tile(REST, (len(dataset.test[0].mouth), 1)))
    scorer = GeneratorScorer.of_dataset(dataset, SyncExpert().eval())
    net = Nova96()
    give_weak_norms(net)
    alone, both = (
        scorer.score(net, 160),
        replace(scorer, dataset=replace(dataset, test=[resting, *dataset.test])).score(net, 160),
    )
    told = [(s.offset_pictures, s.distance, s.confidence) for s in (alone, both)]
    assert told[0] == told[1] and np.isfinite(told).all()
    assert both.opening_correlation == pytest.approx(alone.opening_correlation / 2)
    with pytest.raises(StudioError, match="No mouth moves"):
        replace(scorer, dataset=replace(dataset, test=[resting])).score(net, 160)


def test_lips_closed_when_ground_truth_then_all_and_when_lips_stay_open_then_none(dataset, monkeypatch):
    gap = np.tile(np.r_[np.full(5, 8.0), 0.2, np.full(5, 8.0)], 3)
    mouth = np.zeros((len(gap), len(dataset.opening_mm)), np.float32)
    mouth[:, 0] = gap / dataset.opening_mm[0]
    spoken = replace(dataset.held_out[0], mouth=mouth, pictures=np.zeros((len(gap), 48, 96, 3), np.uint8))
    scorer = GeneratorScorer.of_dataset(replace(dataset, held_out=[spoken]), SyncExpert())
    monkeypatch.setattr("avatar_app.studio.metrics.generators.generated_clip", lambda *_: spoken)
    for read, share in ((gap, 1.0), (gap + 3, 0.0), (np.where(np.arange(len(gap)) < 11, gap, 8.0), 1 / 3)):
        monkeypatch.setattr(type(scorer.reader), "read", lambda *_, read=read: read)
        assert scorer.lips_closed(Nova96(), 160) == pytest.approx(share)


def test_speech_encoder_when_distilled_then_its_folder_loads_and_metrics_have_the_picture_loss(data, tmp_path):
    torch.manual_seed(0)
    save_speech_encoder(
        tmp_path / "speech", SpeechEncoder(SpeechEncoderShape(width=8, dilations=(1, 1))), {"recipe": {"n_steps": 7}}
    )
    save_mouth_renderer(tmp_path / "picture", MouthRenderer(RENDERER), {})
    words = ["--data", str(data), "--run", str(tmp_path / "e"), "--voices", str(tmp_path / "v"), "--n-steps", "2"]
    words += ["--speech-encoder", str(tmp_path / "speech"), "--mouth-renderer", str(tmp_path / "picture")]
    assert speech_encoder.main(words) == 0
    net = load_speech_encoder(tmp_path / "e" / "best")
    assert net.shape == SpeechEncoderShape(width=8, dilations=(1, 1))
    metrics = [json.loads(line) for line in (tmp_path / "e" / "metrics.jsonl").read_text().splitlines()]
    assert metrics[0]["pixels"] > 0
    about = json.loads((tmp_path / "e" / "best" / "speech.json").read_text())
    assert about["recipe"]["started_from"] == {"recipe": {"n_steps": 7}}


def test_distil_task_when_the_mouth_equals_the_target_then_no_picture_loss_and_the_renderer_is_frozen(data, tmp_path):
    voices = load_data(data, tmp_path / "v")
    net, renderer = SpeechEncoder(SpeechEncoderShape(width=8, dilations=(1, 1))), MouthRenderer(RENDERER)
    renderer.subpixels.weight.data *= 20
    task = speech_encoder.DistilTask(
        voices, SpeechRecipe(n_examples=2, n_outputs=16), speech_encoder.DistilConfig(), net, renderer
    )
    batch = draw_batch(voices.corpus, task._plan, step_generator(0, 0))
    phones = torch.zeros(*batch.phones.shape[:2], 40, batch.phones.shape[2])
    assert float(task.losses(batch.mouth, phones, batch)["pixels"]) == 0
    predicted = (1 - batch.mouth).requires_grad_()
    task.losses(predicted, phones, batch)["pixels"].backward()
    assert predicted.grad.abs().sum() > 0
    assert all(p.grad is None for p in renderer.parameters())


def test_blend_when_weighted_then_the_mean_of_both():
    torch.manual_seed(0)
    initial, net = Nova96(), Nova96()
    name, before = next((n, v.clone()) for n, v in net.state_dict().items() if v.ndim == 4)
    student.blend(net, initial, 0.7)
    torch.testing.assert_close(net.state_dict()[name], 0.7 * before + 0.3 * initial.state_dict()[name])
