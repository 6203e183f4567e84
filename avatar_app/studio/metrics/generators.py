"""What a generator scores on scenes before it is a graph; recipes are compared by this."""

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
N_READER_SCENES = 4


@dataclass(frozen=True, slots=True)
class GeneratorScores:
    """Means over scenes; those that sync is judged by over the scenes whose mouth moves.

    Attributes:
        mouth_psnr_db: of lips and teeth, at 96 pixels a face.
        mouth_ssim: the same.
        opening_correlation: of the lip gap read from the drawn pictures with the true one.
        jitter: see `scores.jitter`.
        offset_pictures: largest offset of any scene that the expert finds.
        distance: LSE-D's part, by our expert.
        confidence: LSE-C's part.
    """

    mouth_psnr_db: float
    mouth_ssim: float
    opening_correlation: float
    jitter: float
    offset_pictures: float
    distance: float
    confidence: float


@dataclass(frozen=True)
class Jury:
    """What generators are judged with.

    Attributes:
        stage: whose test scenes they must draw.
        reader: reads the lip gap from pictures of the mouth.
        expert: one that no generator was trained with.
    """

    stage: Dataset
    reader: OpeningReader
    expert: SyncExpert

    @classmethod
    def of_clips(cls, stage: Dataset, expert: SyncExpert) -> Jury:
        """The rendered clips of the test split; the reader is fitted to others."""
        return cls(stage, fit_reader(stage), expert)

    def score(self, net: LowerHalfGenerator, lookahead_ms: int) -> GeneratorScores:
        """Let a network speak all scenes.

        Raises:
            StudioError: no mouth moves in any of them.
        """
        pairs = [(scene, drawn_scene(net, scene, self.stage.rest, lookahead_ms)) for scene in self.stage.test]
        sync = scores_of_each([distances(self.expert, drawn)[moving(scene)] for scene, drawn in pairs])
        psnr, similarity, opening_r, trembling = np.mean([self._looks(*pair) for pair in pairs], axis=0).tolist()
        worst = max((s.offset_pictures for s in sync), key=abs)
        distance, confidence = np.mean([(s.distance, s.confidence) for s in sync], axis=0).tolist()
        return GeneratorScores(psnr, similarity, opening_r, trembling, worst, distance, confidence)

    def lips_closed(self, net: LowerHalfGenerator, lookahead_ms: int) -> float:
        """Share of the closings of held-out voices in which the drawn lips look closed.

        Voices, not the test clips: these close their lips too seldom to tell generators apart.
        """
        found = np.zeros(2)
        for scene in self.stage.held_out:
            drawn = drawn_scene(net, scene, self.stage.rest, lookahead_ms)
            found += closings(self.reader.read(mouths(drawn.pictures)), scene.mouth @ self.stage.opening_mm)
        return float(found[0] / max(1.0, found[1]))

    def _looks(self, scene: AvClip, drawn: AvClip) -> tuple[float, float, float, float]:
        """The first four of `GeneratorScores`."""
        a, b = mouths(drawn.pictures), mouths(scene.pictures)
        opening_r = correlation(self.reader.read(a), scene.mouth @ self.stage.opening_mm)
        return psnr_db(a, b), ssim(a, b), opening_r, jitter(a, b)


def fit_reader(stage: Dataset) -> OpeningReader:
    """What reads the lip gap, fitted to a few of the clips to learn from."""
    seen = [scene for scene in stage.train if scene.is_ground_truth and np.ptp(scene.mouth) > 0]
    seen = seen[:: max(1, len(seen) // N_READER_SCENES)][:N_READER_SCENES]
    return OpeningReader.fit(
        np.concatenate([mouths(scene.pictures) for scene in seen]),
        np.concatenate([scene.mouth @ stage.opening_mm for scene in seen]),
    )


@torch.no_grad()
def drawn_scene(net: LowerHalfGenerator, scene: AvClip, rest: UInt8, lookahead_ms: int) -> AvClip:
    """The scene with the pictures that a network draws for its sound."""
    is_training = net.training
    net.eval()
    device = next(net.parameters()).device
    lookahead = torch.eye(len(LOOKAHEADS_MS), device=device)[LOOKAHEADS_MS.index(lookahead_ms)]
    pictures = []
    # What bf16 changes lies far below what any network is from the truth.
    with arithmetic.autocast(device):
        features = net.encode_face(face_of(rest).to(device))
        for windows in torch.split(whole_clip(scene).mel_windows([lookahead_ms]).to(device), BATCH):
            drawn = net.decode(net.encode_audio(windows, lookahead.expand(len(windows), -1)), features).float()
            pictures.append((drawn.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).cpu().numpy())
    net.train(is_training)
    return replace(scene, pictures=np.concatenate(pictures))


def mouths(halves: UInt8) -> UInt8:
    """Lips and teeth, (n, 32, 48, 3), of lower halves (n, 48, 96, 3)."""
    return np.ascontiguousarray(halves[:, MOUTH_ROWS, MOUTH_COLUMNS])
