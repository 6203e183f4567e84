"""Scores of a generator in torch on clips, to compare training recipes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch

from avatar_app.settings.schema import LOOKAHEADS_MS
from avatar_app.studio import arithmetic
from avatar_app.studio.data.av_clips import AvClip, UInt8, whole_clip
from avatar_app.studio.data.dataset import Dataset
from avatar_app.studio.data.faces import MOUTH_COLUMNS, MOUTH_ROWS, face_of
from avatar_app.studio.metrics.scores import OpeningReader, closings, correlation, jitter, psnr_db, ssim
from avatar_app.studio.metrics.sync import distances, moving, scores_of_each
from avatar_app.studio.nets.expert import SyncExpert
from avatar_app.studio.nets.lower_half import LowerHalfGenerator

BATCH = 32
N_READER_CLIPS = 4


@dataclass(frozen=True, slots=True)
class GeneratorScores:
    """Means over clips; sync scores are means over the clips with speech.

    Attributes:
        mouth_psnr_db: of lips and teeth, with 96 px faces.
        mouth_ssim: of the same pixels.
        opening_correlation: of the lip gap read from the generated pictures with the ground truth.
        jitter: see `scores.jitter`.
        offset_pictures: largest offset of a clip.
        distance: like LSE-D, see `sync.SyncScores`.
        confidence: like LSE-C.
    """

    mouth_psnr_db: float
    mouth_ssim: float
    opening_correlation: float
    jitter: float
    offset_pictures: float
    distance: float
    confidence: float


@dataclass(frozen=True)
class GeneratorScorer:
    """Measures generators on a dataset.

    Attributes:
        dataset: its test clips and held-out voices are the input.
        reader: reads the lip gap from pictures of the mouth.
        expert: a sync expert that no generator was trained with.
    """

    dataset: Dataset
    reader: OpeningReader
    expert: SyncExpert

    @classmethod
    def of_dataset(cls, dataset: Dataset, expert: SyncExpert) -> GeneratorScorer:
        """A scorer whose reader is fitted to training clips."""
        return cls(dataset, fit_reader(dataset), expert)

    def score(self, net: LowerHalfGenerator, lookahead_ms: int) -> GeneratorScores:
        """Scores on the rendered clips of the test split.

        Raises:
            StudioError: no mouth moves in any clip.
        """
        pairs = [(clip, generated_clip(net, clip, self.dataset.rest, lookahead_ms)) for clip in self.dataset.test]
        sync = scores_of_each([distances(self.expert, generated)[moving(clip)] for clip, generated in pairs])
        psnr, similarity, opening_r, tremor = np.mean([self._picture_scores(*pair) for pair in pairs], axis=0).tolist()
        worst = max((s.offset_pictures for s in sync), key=abs)
        distance, confidence = np.mean([(s.distance, s.confidence) for s in sync], axis=0).tolist()
        return GeneratorScores(psnr, similarity, opening_r, tremor, worst, distance, confidence)

    def lips_closed(self, net: LowerHalfGenerator, lookahead_ms: int) -> float:
        """Share of the lip closings of held-out voices in which the generated lips are closed.

        The test clips contain too few closings to distinguish generators.
        """
        found = np.zeros(2)
        for clip in self.dataset.held_out:
            generated = generated_clip(net, clip, self.dataset.rest, lookahead_ms)
            found += closings(self.reader.read(mouths(generated.pictures)), clip.mouth @ self.dataset.opening_mm)
        return float(found[0] / max(1.0, found[1]))

    def _picture_scores(self, clip: AvClip, generated: AvClip) -> tuple[float, float, float, float]:
        """The first four of `GeneratorScores`."""
        a, b = mouths(generated.pictures), mouths(clip.pictures)
        opening_r = correlation(self.reader.read(a), clip.mouth @ self.dataset.opening_mm)
        return psnr_db(a, b), ssim(a, b), opening_r, jitter(a, b)


def fit_reader(dataset: Dataset) -> OpeningReader:
    """A reader of the lip gap, fitted to some training clips."""
    shown = [clip for clip in dataset.train if clip.is_ground_truth and np.ptp(clip.mouth) > 0]
    shown = shown[:: max(1, len(shown) // N_READER_CLIPS)][:N_READER_CLIPS]
    return OpeningReader.fit(
        np.concatenate([mouths(clip.pictures) for clip in shown]),
        np.concatenate([clip.mouth @ dataset.opening_mm for clip in shown]),
    )


@torch.no_grad()
def generated_clip(net: LowerHalfGenerator, clip: AvClip, rest: UInt8, lookahead_ms: int) -> AvClip:
    """The clip with the pictures that a network generates for its sound."""
    is_training = net.training
    net.eval()
    device = next(net.parameters()).device
    lookahead = torch.eye(len(LOOKAHEADS_MS), device=device)[LOOKAHEADS_MS.index(lookahead_ms)]
    pictures = []
    # The error of bf16 is far below that of any network.
    with arithmetic.autocast(device):
        features = net.encode_face(face_of(rest).to(device))
        for windows in torch.split(whole_clip(clip).mel_windows([lookahead_ms]).to(device), BATCH):
            generated = net.decode(net.encode_audio(windows, lookahead.expand(len(windows), -1)), features).float()
            pictures.append((generated.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    net.train(is_training)
    return replace(clip, pictures=np.concatenate(pictures))


def mouths(halves: UInt8) -> UInt8:
    """Lips and teeth, (n, 32, 48, 3), of lower halves (n, 48, 96, 3)."""
    return np.ascontiguousarray(halves[:, MOUTH_ROWS, MOUTH_COLUMNS])
