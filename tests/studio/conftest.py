from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A data folder: thirty synthetic voices with pauses, and a head with two lips."""
    import soundfile

    from avatar_app.studio.data import speech_corpus

    monkeypatch.setattr(speech_corpus.noises, "DURATION_S", 2.0)
    monkeypatch.setattr("shutil.which", lambda _: None)
    folder = tmp_path / "data" / "speech" / "librispeech"
    folder.mkdir(parents=True)
    entries = {}
    for i in range(30):
        name = f"v_{'FM'[i % 2]}_{i}"
        t = np.arange(16000) / 16000
        buzz = np.sign(np.sin(2 * np.pi * (100 + 5 * i) * t)) * 0.2 * (t > 0.5)
        soundfile.write(folder / f"{name}.flac", buzz, 16000)
        phones = [["sil", 0.0, 0.5], ["aa", 0.5, 0.8], ["m", 0.8, 1.0]]
        entries[name] = {"text": "um", "phones": phones, "trust": "high", **({"split": "test"} if i < 2 else {})}
    (folder / "phones.json").write_text(json.dumps(entries))
    rig = tmp_path / "data" / "nova"
    rig.mkdir()
    z = np.linspace(-0.1, 0.1, 60)
    deltas = np.zeros((17, 60, 3))
    deltas[0, z < 0, 2] = -0.2
    neutral = np.column_stack([np.zeros(60), np.zeros(60), z])
    label = np.r_[np.ones(58), [2, 2]]
    np.savez(rig / "rig.npz", neutral=neutral, deltas=deltas, label=label, label_names=["skin", "lips", "tongue"])
    return tmp_path / "data"
