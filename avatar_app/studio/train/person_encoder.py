"""Adapts the published speech encoder to one person, from a few sentences.

Two steps. First the last layer is fitted to the person in closed form (`person_head`). Then all layers learn, at a low
rate, from the person's sentences frame by frame, and from synthetic voices that speak the same texts: each is paired
with the real motion of the sentence by soft-DTW (Chen et al., "Improving few-shot learning for talking face system with
TTS data augmentation", 2023). The network of the first step is also the teacher of a distillation on sounds without
speech and on synthetic voices, so that a few seconds of video cannot make it forget other voices, or move in silence.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import huber_loss, max_pool1d
from torch.nn.utils.rnn import pad_sequence

from avatar_app.contracts.avatar_data import Split
from avatar_app.contracts.errors import StudioError
from avatar_app.contracts.mouth import MOUTH_NAMES, N_MOUTH
from avatar_app.contracts.packets import Float32
from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio.data.augmentation import AugmentationRanges, augment
from avatar_app.studio.data.speech_batches import BatchPlan, draw_batch
from avatar_app.studio.data.speech_corpus import Corpus, quiet_utterances
from avatar_app.studio.data.utterances import Utterance, cached
from avatar_app.studio.metrics.scores import OPEN_MM, SEALED_MM, SEALED_PICTURES
from avatar_app.studio.metrics.soft_dtw import SoftDtwOptions, soft_dtw
from avatar_app.studio.nets.speech_encoder import SpeechEncoder, load_speech_encoder, save_speech_encoder
from avatar_app.studio.train.gain_calibration import apply_gain, calibrate_gain
from avatar_app.studio.train.loop import LoopPlan, cosine_rate, descend, set_rate, train, update_average
from avatar_app.studio.train.person_data import (
    OPENING_MM,
    PersonSentence,
    SyntheticSentence,
    at_pictures,
    padded_magnitudes,
    speak_all,
    usable_sentences,
    utterance_of,
)
from avatar_app.studio.train.person_first_step import (
    FirstStep,
    fit_first_step,
    own_samples,
    quiet_samples,
    synthetic_samples,
)
from avatar_app.studio.train.person_head import HeadData
from avatar_app.studio.train.run_folder import RunFolder
from avatar_app.studio.train.speech_encoder_score import predict

log = logging.getLogger(__name__)

# Receives the numbers of finished and of all steps.
Progress = Callable[[int, int], None]
# Chen et al. 2023: 1.3 for the jaw and the inner lips, 1.2 for stretched lips, 1.1 for the smile.
CHANNEL_WEIGHTS = tuple(
    {"jawOpen": 1.3, "mouthClose": 1.3, "mouthFunnel": 1.3, "mouthLowerDown": 1.3, "mouthStretch": 1.2,
     "mouthSmile": 1.1}.get(name, 1.0)
    for name in MOUTH_NAMES
)  # fmt: skip
_OWN_VOICE = AugmentationRanges(
    pitch=(0.88, 1.14), formant=(0.94, 1.06), warp_probability=0.5, eq_db=3.0, band_probability=0.1,
    reverb_probability=0.3, noise_probability=0.5, babble_ratio=0.0, snr_db=(5.0, 35.0), level_db=(-20.0, 10.0),
)  # fmt: skip
_AVERAGE_DECAY = 0.97
_N_WARMUP = 20
_LEAST_SENTENCES = 2


@dataclass(frozen=True, slots=True)
class PersonRecipe:
    """Hyper-parameters of the adaptation.

    Attributes:
        n_steps: batches of the second step; 0 for the first step alone.
        rate: highest learning rate of the last layer.
        trunk_ratio: learning rate of the other layers, as a share of it.
        n_examples: segments of the person in a batch.
        n_outputs: outputs per segment and look-ahead.
        n_synthetic: synthetic sentences in a batch.
        n_voices: synthetic voices.
        synthetic_weight: loss weight of soft-DTW.
        is_aligned: soft-DTW for synthetic voices; otherwise L1 on the part that both sequences have (baseline).
        distil_weight: loss weight of the distillation.
        gamma: smoothing of soft-DTW; Chen et al. 2023.
        band_frames: band of soft-DTW beyond the difference of the lengths; None for no band.
        huber_delta: below this error the loss is quadratic.
        sealed_boost: additional weight of lips that close between open mouths.
    """

    n_steps: int = 60
    rate: float = 3e-4
    trunk_ratio: float = 0.3
    n_examples: int = 6
    n_outputs: int = 48
    n_synthetic: int = 2
    n_voices: int = 4
    synthetic_weight: float = 0.5
    is_aligned: bool = True
    distil_weight: float = 1.0
    gamma: float = 0.001
    band_frames: float | None = None
    huber_delta: float = 0.1
    sealed_boost: float = 4.0


PRESETS: Mapping[str, PersonRecipe] = {
    "quick": PersonRecipe(n_steps=60, n_voices=2),
    "good": PersonRecipe(n_steps=300, n_voices=6),
    "best": PersonRecipe(n_steps=800, n_voices=12),
}


@dataclass(frozen=True)
class PersonData:
    """What a person's speech encoder learns from.

    Attributes:
        own: the person's sentences for training.
        validation: sentences that choose; may be empty.
        synthetic: synthetic voices with the motion of the training sentences.
        quiet: sounds without speech.
    """

    own: Sequence[Utterance]
    validation: Sequence[Utterance]
    synthetic: Sequence[SyntheticSentence]
    quiet: Sequence[Utterance]


class PersonTask:
    """The second step of the adaptation; for `loop.train`.

    Args:
        data: sounds and motion.
        recipe: hyper-parameters.
        start: result of the first step.
        progress: called after each step with the number of steps so far and of the run.
    """

    def __init__(
        self, data: PersonData, recipe: PersonRecipe, start: SpeechEncoder, progress: Progress | None = None
    ) -> None:
        self.net = copy.deepcopy(start).eval()
        self.average = copy.deepcopy(start).eval()
        self._teacher = copy.deepcopy(start).eval().requires_grad_(requires_grad=False)
        self._data, self._recipe, self._progress = data, recipe, progress
        self._corpus = Corpus(data.own, (), data.quiet)
        self._plan = BatchPlan(
            n_examples=recipe.n_examples,
            n_outputs=recipe.n_outputs,
            window_columns=start.window_columns,
            synthetic_ratio=0.0,
            quiet_ratio=0.2,
            augmentation=_OWN_VOICE,
        )
        # The norms of an unpacked network are biases only: their statistics stay as they are, in evaluation mode.
        last = list(self.net.mouth.parameters())
        others = [p for name, p in self.net.named_parameters() if not name.startswith(("mouth.", "phones."))]
        self._optimizer = torch.optim.AdamW([{"params": last}, {"params": others}], weight_decay=0.0)

    def modules(self) -> Mapping[str, nn.Module]:
        """The network and its average."""
        return {"net": self.net, "average": self.average}

    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """One AdamW."""
        return {"adamw": self._optimizer}

    def step(self, index: int, n_steps: int, rng: np.random.Generator) -> Mapping[str, float]:
        """Train on one batch."""
        rate = cosine_rate(index, n_steps, self._recipe.rate, n_warmup=min(_N_WARMUP, n_steps // 4))
        set_rate(self._optimizer, rate * self._recipe.trunk_ratio)
        self._optimizer.param_groups[0]["lr"] = rate
        parts = {"own": self._own_loss(rng), **self._synthetic_losses(rng)}
        loss = torch.stack(list(parts.values())).sum()
        descend(self._optimizer, loss, max_norm=1.0)
        update_average(self.average, self.net, min(_AVERAGE_DECAY, (index + 1) / (index + 10)))
        if self._progress is not None:
            self._progress(index + 1, n_steps)
        return {name: float(value.detach()) for name, value in {"loss": loss, **parts}.items()}

    def evaluate(self) -> Mapping[str, float]:
        """Error of the averaged network on the validation sentences."""
        return {"error": validation_error(self.average, self._data.validation)} if self._data.validation else {}

    def _own_loss(self, rng: np.random.Generator) -> Tensor:
        """Frame by frame, the person's voice and sounds without speech."""
        batch = draw_batch(self._corpus, self._plan, rng)
        error = self.net(batch.mel) - batch.mouth
        gap = torch.einsum("bhpn,p->bhn", error, torch.from_numpy(OPENING_MM) / 10)
        weight = 1 + self._recipe.sealed_boost * _is_sealed(batch.mouth)
        velocity = self._huber(gap.diff(dim=-1)).mean()
        return (self._huber(error).mean(2) * weight).mean() + 0.5 * (self._huber(gap) * weight).mean() + 0.5 * velocity

    def _synthetic_losses(self, rng: np.random.Generator) -> dict[str, Tensor]:
        recipe = self._recipe
        if not self._data.synthetic or recipe.n_synthetic == 0:
            return {}
        chosen = [
            self._data.synthetic[int(k)] for k in rng.integers(len(self._data.synthetic), size=recipe.n_synthetic)
        ]
        magnitudes = padded_magnitudes([one.magnitudes for one in chosen], self.net.window_columns)
        silence = torch.zeros_like(magnitudes)
        mel = augment(
            magnitudes, silence, silence, rng, replace(_OWN_VOICE, noise_probability=0.0, mask_probability=0.0)
        )
        features = self.net.features(mel[:, None])
        with torch.no_grad():
            wanted = self._teacher.features(mel[:, None])
        outputs = self.net.mouth(features).unflatten(1, (len(LOOKAHEADS_MS), N_MOUTH))
        return {
            "synthetic": recipe.synthetic_weight * alignment_loss(outputs, chosen, recipe),
            "distil": recipe.distil_weight * (features - wanted).square().mean(),
        }

    def _huber(self, error: Tensor) -> Tensor:
        delta = self._recipe.huber_delta
        return huber_loss(error, torch.zeros_like(error), reduction="none", delta=delta) / delta


def _is_sealed(mouth: Tensor) -> Tensor:
    """(B, 4, N) float32, 1 where the lips close between open mouths; from mouths (B, 4, 14, N) every 25 ms."""
    gap_mm = torch.einsum("bhpn,p->bhn", mouth, torch.from_numpy(OPENING_MM))
    reach = round(SEALED_PICTURES * 1.6)
    around = max_pool1d(gap_mm.flatten(0, 1)[:, None], 2 * reach + 1, 1, reach).reshape(gap_mm.shape)
    return ((gap_mm < SEALED_MM) & (around > OPEN_MM)).float()


def alignment_loss(outputs: Tensor, chosen: Sequence[SyntheticSentence], recipe: PersonRecipe) -> Tensor:
    """Mean loss of synthetic sentences over all look-aheads.

    Args:
        outputs: (B, 4, 14, N) of the network over whole sounds, see `at_pictures`.
        chosen: B sentences.
        recipe: the kind of loss.
    """
    predicted, wanted = [], []
    for row, sentence in zip(outputs, chosen, strict=True):
        for head, ms in enumerate(LOOKAHEADS_MS):
            predicted.append(at_pictures(row[head], sentence.n_pictures, ms).T)
            wanted.append(torch.from_numpy(sentence.mouth))
    if not recipe.is_aligned:
        return torch.stack([_truncated_l1(a, b) for a, b in zip(predicted, wanted, strict=True)]).mean()
    n, m = (torch.tensor([len(one) for one in both]) for both in (predicted, wanted))
    band = None if recipe.band_frames is None else recipe.band_frames + float((n - m).abs().max())
    options = SoftDtwOptions(recipe.gamma, band, is_length_normalised=True, channel_weights=CHANNEL_WEIGHTS)
    x, y = (pad_sequence(both, batch_first=True) for both in (predicted, wanted))
    return soft_dtw(x, y, n, m, options).mean()


def _truncated_l1(predicted: Tensor, wanted: Tensor) -> Tensor:
    n = min(len(predicted), len(wanted))
    return (predicted[:n] - wanted[:n]).abs().mean()


def validation_error(net: SpeechEncoder, utterances: Sequence[Utterance]) -> float:
    """Mean squared error of the mouth over all look-aheads."""
    errors = []
    for utterance in utterances:
        found = predict(net, utterance)
        errors.append(float(np.square(found.predicted - found.ground_truth).mean()))
    return float(np.mean(errors))


def prepare(
    sentences: Sequence[PersonSentence],
    texts: Sequence[str],
    speak: Sequence[Callable[[str], Float32]],
    cache: Path,
) -> PersonData:
    """The data of an adaptation.

    Args:
        sentences: of the person; test sentences are left out.
        texts: what they say; empty where unknown.
        speak: synthetic voices: a text to (n,) samples at 16 kHz.
        cache: folder for sounds without speech.

    Raises:
        StudioError: there are not enough sentences, or a voice failed.
    """
    usable = {one.name for one in usable_sentences(sentences)}
    pairs = [(s, t) for s, t in zip(sentences, texts, strict=True) if s.name in usable]
    own = [(s, t) for s, t in pairs if s.split is Split.TRAIN]
    if len(own) < _LEAST_SENTENCES:
        raise StudioError(
            f"The video has {len(own)} sentences that can be used, and at least {_LEAST_SENTENCES} are needed.",
            "Record more sentences, facing the camera.",
        )
    return PersonData(
        own=[utterance_of(s) for s, _ in own],
        validation=[utterance_of(s) for s, _ in pairs if s.split is Split.VALIDATION],
        synthetic=speak_all([s for s, _ in own], [t for _, t in own], speak),
        quiet=cached(cache / "quiet.npz", quiet_utterances),
    )


def fitted_start(published: SpeechEncoder, data: PersonData, recipe: PersonRecipe) -> tuple[SpeechEncoder, FirstStep]:
    """The first step: the published network with its last layer fitted to the person.

    The validation sentences choose; without them, the last training sentence.
    """
    is_held_out = bool(data.validation)
    held_out = own_samples(published, data.validation if is_held_out else data.own[-1:])
    own = own_samples(published, data.own if is_held_out else data.own[:-1])
    quiet, synthetic = quiet_samples(published, data.quiet), synthetic_samples(published, data.synthetic)
    per_head = [HeadData(*one) for one in zip(own, quiet, synthetic, strict=True)]
    options = SoftDtwOptions(recipe.gamma, channel_weights=CHANNEL_WEIGHTS) if recipe.is_aligned else None
    return fit_first_step(published, per_head, held_out, options)


def adapt_encoder(
    sentences: Sequence[PersonSentence],
    start: Path,
    folder: Path,
    recipe: PersonRecipe,
    texts: Sequence[str] | None = None,
    speak: Sequence[Callable[[str], Float32]] = (),
    progress: Progress | None = None,
    seed: int = 0,
) -> Path:
    """Adapt the published speech encoder to a person; a run that was killed continues.

    Args:
        sentences: of the person, with their splits; test sentences are not used.
        start: folder of the published speech encoder, see `publish.unpack`.
        folder: run folder.
        recipe: see `PRESETS`.
        texts: what the sentences say; None for their own `text`. Without texts there are no synthetic voices.
        speak: synthetic voices: a text to (n,) samples at 16 kHz.
        progress: called after each step with the number of steps so far and of the run.
        seed: of all randomness.

    Returns:
        `folder`/best, written by `save_speech_encoder`.

    Raises:
        StudioError: there are not enough sentences, or a folder cannot be read or written.
    """
    run = RunFolder(folder)
    run.open_request({"recipe": asdict(recipe), "sentences": [one.name for one in sentences]}, seed)
    published = load_speech_encoder(start)
    data = prepare(sentences, texts or [one.text for one in sentences], speak, folder)
    first, chosen = fitted_start(published, data, recipe)
    log.info("fitted the last layer: penalty %g, synthetic voices %g", chosen.penalty, chosen.synthetic_share)
    result, is_second = first, False
    if recipe.n_steps:
        task = PersonTask(data, recipe, first, progress)
        plan = LoopPlan(recipe.n_steps, log_steps=10, checkpoint_steps=25, evaluate_steps=0, seed=seed)
        train(task, run, plan, log.info)
        is_second = not data.validation or validation_error(task.average, data.validation) <= validation_error(
            first, data.validation
        )
        result = task.average if is_second else first
    _restore_motion(result, data)
    best = folder / "best"
    facts = {
        "recipe": asdict(recipe),
        "first_step": asdict(chosen),
        "has_second_step": is_second,
        "scores": scores(result, data),
    }
    save_speech_encoder(best, result, facts)
    return best


def scores(net: SpeechEncoder, data: PersonData) -> dict[str, float]:
    """Error on the validation sentences, and motion in sounds without speech relative to speech, per look-ahead."""
    found = {"error": validation_error(net, data.validation)} if data.validation else {}
    speech = [predict(net, u).predicted for u in (data.validation or data.own)]
    quiet = [predict(net, u).predicted for u in data.quiet]
    for head, ms in enumerate(LOOKAHEADS_MS):
        found[f"quiet_motion_{ms}"] = _motion(quiet, head) / max(_motion(speech, head), 1e-9)
    return found


def _motion(predictions: Sequence[Float32], head: int) -> float:
    """Mean absolute change of the lip gap in mm over 25 ms."""
    return float(np.concatenate([np.abs(np.diff(OPENING_MM @ one[head])) for one in predictions]).mean())


def _restore_motion(net: SpeechEncoder, data: PersonData) -> None:
    """Scale each output around its mean to the motion of the person; training on errors reduces it."""
    held_out = data.validation or data.own
    found = calibrate_gain([predict(net, utterance) for utterance in held_out])
    for head in range(len(LOOKAHEADS_MS)):
        apply_gain(net.mouth, head * N_MOUTH, found.mean[head], found.gain[head])
