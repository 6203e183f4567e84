"""An avatar as one file: exported, imported, refused."""

import errno
import hashlib
import json
import os
import shutil
import stat
import struct
import zipfile
from collections import namedtuple
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from avatar_app.contracts.errors import AvatarError, OutputError, UserError
from avatar_app.contracts.file_lock import FileLock
from avatar_app.live.frame import load_avatar
from avatar_app.live.library import contents as contents_module
from avatar_app.live.library import export_avatar, export_file, import_avatar, import_file, list_own
from avatar_app.live.library.contents import Contents, check_name, is_name
from avatar_app.live.student import load
from avatar_app.settings.paths import ProfilePaths
from tests.fakes.hostile import FUZZ, bitten, changed, check_sentence
from tests.fakes.model_folder import change_manifest, entry, student_graph, write_model
from tests.fakes.own_avatar import change_avatar, repacked, tree, write_own, write_recording

Usage = namedtuple("Usage", "total used free")
EMPTY = hashlib.sha256(b"").hexdigest()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A profile with one avatar, exported."""
    paths = ProfilePaths(tmp_path_factory.mktemp("source"))
    folder = write_own(paths, models=("ada-hd",))
    (paths.models_dir / "ada-hd" / "README.md").write_text("# Ada")
    (paths.models_dir / "ada-hd" / "sensitivity.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / ".DS_Store").write_bytes(b"desktop")
    (folder / "Thumbs.db").write_bytes(b"desktop")
    write_recording(paths)
    return paths


@pytest.fixture(scope="module")
def file(source, tmp_path_factory):
    return export_avatar("ada", tmp_path_factory.mktemp("exported") / "ada.avatar", source)


@pytest.fixture
def other(tmp_path):
    return ProfilePaths(tmp_path / "other")


def refused(file, paths, match):
    """The import fails with one sentence and leaves nothing."""
    with pytest.raises(UserError, match=match) as failed:
        import_avatar(file, paths)
    check_sentence(failed.value)
    for root in (paths.avatars_dir, paths.models_dir):
        assert not root.exists() or not any(root.iterdir()), "nothing half-made is left"
    return failed.value


def listed(entries, **changes):
    """The list of files, changed, and the other entries."""
    data = json.loads(entries[0][1])
    return [(entries[0][0], json.dumps({**data, **changes}).encode()), *entries[1:]]


def with_file(name, content):
    """Add an entry, and list it with a right checksum."""

    def change(entries):
        data = json.loads(entries[0][1])
        item = {"name": name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        files = [old for old in data["files"] if old["name"] != name] + [item]
        kept = [pair for pair in entries if pair[0].filename != name]
        return [*listed(kept, files=files), (zipfile.ZipInfo(name), content)]

    return change


def test_export_when_imported_elsewhere_then_equal_bytes_and_it_speaks(source, file, other):
    assert import_avatar(file, other) == "ada"
    expected = tree(source.avatars_dir / "ada")
    del expected[".DS_Store"], expected["Thumbs.db"]
    assert tree(other.avatars_dir / "ada") == expected
    assert tree(other.models_dir / "ada-hd") == tree(source.models_dir / "ada-hd")
    assert not other.enrolments_dir.exists(), "never the recording"
    (avatar,) = list_own(other)
    assert avatar.models == ("ada-hd",) and avatar.consent is not None
    student = load("ada-hd", user_dir=other.models_dir)
    student.set_face(load_avatar("ada", user_dir=other.avatars_dir).face_input(student.spec.size_px))
    assert student.draw(np.zeros((80, 16), np.float32), 80).shape == (6, 8, 3)
    student.close()


def test_export_when_written_twice_then_the_same_file(source, file, other, tmp_path):
    import_avatar(file, other)
    again = export_avatar("ada", tmp_path / "again.avatar", other)
    assert again.read_bytes() == file.read_bytes()


def test_export_when_the_name_has_no_suffix_or_is_a_folder_then_an_avatar_file(source, tmp_path):
    assert export_avatar("ada", tmp_path, source) == tmp_path / "ada.avatar"
    assert export_avatar("ada", tmp_path / "me.zip", source) == tmp_path / "me.zip.avatar"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ada.avatar", "me.zip.avatar"]


@pytest.mark.parametrize(
    ("code", "sentence"),
    [(errno.ENOSPC, "no space left"), (errno.EACCES, "may not write"), (errno.EIO, "cannot be written")],
)
def test_export_when_the_disk_refuses_then_one_sentence_and_the_older_file_stays(
    source, tmp_path, monkeypatch, code, sentence
):
    target = tmp_path / "ada.avatar"
    target.write_bytes(b"older")

    def fail(self, *arguments, **more):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(export_file.zipfile.ZipFile, "writestr", fail)
    with pytest.raises(OutputError, match=sentence):
        export_avatar("ada", target, source)
    assert target.read_bytes() == b"older" and [path.name for path in tmp_path.iterdir()] == ["ada.avatar"]


def test_export_when_a_file_is_missing_then_one_sentence(tmp_path):
    paths = ProfilePaths(tmp_path / "profile")
    (write_own(paths) / "idle" / "2.jpg").unlink()
    with pytest.raises(AvatarError, match=r"idle/2\.jpg is missing"):
        export_avatar("ada", tmp_path / "x.avatar", paths)
    assert not (tmp_path / "x.avatar").exists()


def test_export_when_a_name_leads_out_of_the_folder_then_that_file_is_not_read(tmp_path):
    paths = ProfilePaths(tmp_path / "profile")
    folder = write_own(paths)
    (folder / "idle" / "2.jpg").unlink()
    (folder / "idle" / "2.jpg").symlink_to("/etc/passwd")
    with pytest.raises(AvatarError, match=r"idle/2\.jpg is missing"):
        export_avatar("ada", tmp_path / "x.avatar", paths)


def test_export_when_it_is_shipped_or_unknown_then_one_sentence(source, tmp_path):
    with pytest.raises(AvatarError, match="belongs to the program"):
        export_avatar("nova", tmp_path / "x.avatar", source)
    with pytest.raises(AvatarError, match="You have: ada"):
        export_avatar("bob", tmp_path / "x.avatar", source)


def test_import_when_the_ids_are_taken_then_new_ids_everywhere(file, other):
    write_own(other, models=("ada-hd",))
    change_manifest(other.models_dir / "ada-hd", title="mine")
    before = {name: content for name, content in tree(other.dir).items() if name.startswith(("avatars", "models"))}
    assert import_avatar(file, other) == "ada-2"
    assert import_avatar(file, other) == "ada-3"
    assert before.items() <= tree(other.dir).items(), "the older avatar stays as it was"
    spec = load_avatar("ada-2", user_dir=other.avatars_dir).spec
    assert (spec.id, spec.title, spec.models) == ("ada-2", "Ada (2)", ("ada-hd-2",))
    manifest = json.loads((other.models_dir / "ada-hd-2" / "manifest.json").read_text())
    assert (manifest["id"], manifest["avatar_id"]) == ("ada-hd-2", "ada-2")
    assert [avatar.models for avatar in list_own(other)] == [("ada-hd",), ("ada-hd-2",), ("ada-hd-3",)]


def test_import_when_only_a_model_of_that_id_is_there_then_that_alone_is_renamed(file, other):
    write_own(other, "bob", models=("ADA-hd",))
    assert import_avatar(file, other) == "ada"
    assert load_avatar("ada", user_dir=other.avatars_dir).spec.models == ("ada-hd-2",)
    assert [avatar.models for avatar in list_own(other)] == [("ada-hd-2",), ("ADA-hd",)]


@pytest.mark.parametrize("avatar_id", ["nova", "Nova"])
def test_import_when_the_id_is_of_a_shipped_avatar_then_it_never_shadows_it(tmp_path, other, avatar_id):
    paths = ProfilePaths(tmp_path / "profile")
    write_own(paths, "ada", models=())
    whole = export_avatar("ada", tmp_path / "x.avatar", paths)

    def claim(entries):
        name = "avatar/avatar.json"
        (found,) = (content for item, content in entries if item.filename == name)
        changed_ = with_file(name, json.dumps({**json.loads(found), "id": avatar_id}).encode())(entries)
        return listed(changed_, avatar=avatar_id)

    assert import_avatar(repacked(whole, tmp_path / "nova.avatar", claim), other) == f"{avatar_id}-2"
    assert load_avatar("nova", user_dir=other.avatars_dir).spec.title == "Nova"


@pytest.mark.parametrize("avatar_id", ["ada.unfinished", "ada.replaced", "nul", "../ada", "a/b", "", "ada.", "a" * 200])
def test_import_when_an_id_is_no_folder_everywhere_then_refused(tmp_path, file, other, avatar_id):
    def claim(entries):
        name = "avatar/avatar.json"
        (found,) = (content for item, content in entries if item.filename == name)
        changed_ = with_file(name, json.dumps({**json.loads(found), "id": avatar_id}).encode())(entries)
        return listed(changed_, avatar=avatar_id)

    refused(repacked(file, tmp_path / "x.avatar", claim), other, "the id .* is not valid")


def test_import_when_a_new_model_id_is_in_the_file_too_then_both_models_come(tmp_path, other):
    paths = ProfilePaths(tmp_path / "profile")
    write_own(paths, models=("ada-hd", "ada-hd-2"))
    write_own(other, models=("ada-hd",))
    assert import_avatar(export_avatar("ada", tmp_path, paths), other) == "ada-2"
    assert load_avatar("ada-2", user_dir=other.avatars_dir).spec.models == ("ada-hd-2", "ada-hd-2-2")
    assert list_own(other)[1].models == ("ada-hd-2", "ada-hd-2-2")


def test_import_when_an_enrolment_has_the_id_then_a_new_id(file, other):
    write_recording(other)
    assert import_avatar(file, other) == "ada-2"


def test_import_when_another_import_runs_then_refused(file, other):
    other.state_dir.mkdir(parents=True)
    lock = FileLock(other.state_dir / "avatars.lock")
    assert lock.acquire()
    refused(file, other, "Another window or command")
    lock.release()


def test_import_when_there_is_no_space_then_one_sentence_before_anything_is_written(file, other, monkeypatch):
    monkeypatch.setattr(import_file.shutil, "disk_usage", lambda folder: Usage(10**12, 0, 99_000_000))
    refused(file, other, r"needs 10\d MB, and 99 MB are free")


@pytest.mark.parametrize(
    ("code", "sentence"), [(errno.ENOSPC, "There is no space left"), (errno.EACCES, "You may not write to")]
)
def test_import_when_the_disk_refuses_then_one_sentence_and_nothing_is_left(file, other, monkeypatch, code, sentence):
    real, n_written = import_file.Archive.unpack, []

    def unpack(archive, name, target):
        n_written.append(name)
        if len(n_written) > 5:
            raise OSError(code, os.strerror(code))
        real(archive, name, target)

    monkeypatch.setattr(import_file.Archive, "unpack", unpack)
    refused(file, other, sentence)


def test_import_when_the_last_rename_fails_then_the_models_are_removed_again(file, other, monkeypatch):
    rename = Path.rename

    def fail_for_avatars(path, target):
        if Path(target).parent == other.avatars_dir:
            raise OSError(errno.ENOSPC, "full")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail_for_avatars)
    refused(file, other, "There is no space left")


def test_import_when_killed_between_then_nothing_half_made_is_offered(file, other, monkeypatch):
    def killed(folders):
        raise KeyboardInterrupt

    monkeypatch.setattr(import_file, "_try_out", killed)
    monkeypatch.setattr(shutil, "rmtree", lambda *arguments, **more: None)
    with pytest.raises(KeyboardInterrupt):
        import_avatar(file, other)
    assert any(other.avatars_dir.iterdir()) and list_own(other) == []
    monkeypatch.undo()
    assert import_avatar(file, other) == "ada"
    assert [path.name for path in other.avatars_dir.iterdir()] == ["ada"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is not an avatar file"),
        (b"\xff\xd8\xff picture", "is not an avatar file"),
        (b"PK\3\4", "is cut short"),
        (b"PK\5\6" + b"\0" * 18, "is not an avatar file"),
        (b"PK\3\4" + b"\0" * 100 + b"PK\5\6" + b"\0" * 18, "is not an avatar file"),
    ],
)
def test_import_when_it_is_another_file_then_one_sentence(tmp_path, other, content, sentence):
    (tmp_path / "x.avatar").write_bytes(content)
    refused(tmp_path / "x.avatar", other, sentence)


def test_import_when_it_is_another_archive_then_one_sentence(tmp_path, other):
    with zipfile.ZipFile(tmp_path / "x.avatar", "w") as packed:
        packed.writestr("hello.txt", "hello")
    refused(tmp_path / "x.avatar", other, "is not an avatar file")


def test_import_when_there_is_no_file_or_a_pipe_or_a_folder_then_one_sentence(tmp_path, other):
    refused(tmp_path / "none.avatar", other, "There is no file")
    refused(tmp_path, other, "is not an avatar file|cannot be opened")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.avatar")
        refused(tmp_path / "pipe.avatar", other, "is not an avatar file")


@pytest.mark.parametrize("share", [0.2, 0.5, 0.999])
def test_import_when_cut_short_then_one_sentence(file, tmp_path, other, share):
    content = file.read_bytes()
    (tmp_path / "x.avatar").write_bytes(content[: int(len(content) * share)])
    refused(tmp_path / "x.avatar", other, "is cut short")


def test_import_when_its_comment_is_missing_then_cut_short(file, tmp_path, other):
    (tmp_path / "x.avatar").write_bytes(file.read_bytes()[:-2] + b"\5\0")
    refused(tmp_path / "x.avatar", other, "is cut short")


def test_import_when_a_newer_version_wrote_it_then_one_sentence(file, tmp_path, other):
    newer = repacked(file, tmp_path / "x.avatar", lambda entries: listed(entries, schema=2, files=None))
    assert "Update the program" in refused(newer, other, "A newer version of this program wrote").what_to_do


def test_import_when_it_is_too_large_then_one_sentence(file, tmp_path, other, monkeypatch):
    huge = tmp_path / "huge.avatar"
    huge.write_bytes(b"PK\3\4")
    os.truncate(huge, 3_000_000_000)
    refused(huge, other, "is too large for an avatar")
    monkeypatch.setattr(contents_module, "MAX_TOTAL_BYTES", 1000)
    refused(file, other, "unpacks to")


def test_import_when_it_has_too_many_entries_then_refused_before_they_are_read(file, tmp_path, other):
    content = bytearray(file.read_bytes())
    struct.pack_into("<H", content, len(content) - 12, 60_000)
    (tmp_path / "x.avatar").write_bytes(content)
    refused(tmp_path / "x.avatar", other, "too many entries")
    content = file.read_bytes()
    (tmp_path / "x.avatar").write_bytes(content[:-22] + b"PK\6\7" + b"\0" * 16 + content[-22:])
    refused(tmp_path / "x.avatar", other, "too many entries")


def test_import_when_an_entry_unpacks_to_more_than_it_says_then_refused(file, tmp_path, other):
    """A bomb: its list and its directory promise little."""
    name, content = "models/ada-hd/README.md", b"\0" * 50_000_000

    def bomb(entries):
        item = zipfile.ZipInfo(name)
        item.compress_type = zipfile.ZIP_DEFLATED
        return [(item, content) if old.filename == name else (old, data) for old, data in entries]

    big = repacked(file, tmp_path / "x.avatar", bomb)
    refused(big, other, "has a wrong size")
    packed = bytearray(big.read_bytes())
    at = packed.rfind(name.encode()) - 46
    assert packed[at : at + 4] == b"PK\1\2"
    struct.pack_into("<L", packed, at + 24, 5)
    (tmp_path / "y.avatar").write_bytes(packed)
    refused(tmp_path / "y.avatar", other, "damaged or was changed")


@pytest.mark.parametrize("name", ["avatar/idle/1.jpg", "avatar/mask.png", "models/ada-hd/student-fp16.onnx"])
def test_import_when_a_byte_was_changed_then_one_sentence(file, tmp_path, other, name):
    def change(entries):
        return [(item, data[:-1] + b"\1" if item.filename == name else data) for item, data in entries]

    refused(repacked(file, tmp_path / "x.avatar", change), other, "wrong checksum")


HOSTILE_NAMES = (
    "../evil.json", "avatar/../../evil.json", "/etc/evil.json", "C:/evil.json", "avatar\\evil.json", "avatar/evil.py",
    "avatar/evil.exe", "avatar/.hidden.json", "avatar/con.json", "avatar/aux/evil.json", "avatar/evil.json.",
    "evil.json",
    "avatar/a/b/c/d/e/f.json", "models/evil.json", "models/other/evil.json", "avatar/EVIL.JSON", "avatar/e vil.json",
    "avatar//evil.json", "avatar/./evil.json", "avatar/evil.pkl", "avatar/ä.json", "avatar/evil.json/", "avatar/x.so",
    "avatar/" + "a" * 200 + ".json", "avatar/evil.json\0.jpg", "avatar/evil:x.json", "models/ada.unfinished/x.json",
)  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_import_when_a_name_is_hostile_then_refused_and_nothing_is_written(file, tmp_path, other, name):
    assert not is_name(name) or name.startswith("models/")
    refused(repacked(file, tmp_path / "x.avatar", with_file(name, b"{}")), other, "damaged or was changed")
    unlisted = repacked(file, tmp_path / "y.avatar", lambda entries: [*entries, (zipfile.ZipInfo(name), b"{}")])
    refused(unlisted, other, "damaged or was changed|is not an avatar file")
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize(
    "name", ["avatar/MASK.png", "avatar/idle.json", "avatar/idle/1.jpg/x.json", "avatar/Idle/1.jpg"]
)
def test_import_when_two_names_are_one_file_on_some_systems_then_refused(file, tmp_path, other, name):
    if name == "avatar/idle.json":
        import_avatar(repacked(file, tmp_path / "x.avatar", with_file(name, b"{}")), other)
        return
    refused(repacked(file, tmp_path / "x.avatar", with_file(name, b"{}")), other, "upper and lower case only")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_import_when_a_name_appears_twice_then_refused(file, tmp_path, other):
    twice = repacked(file, tmp_path / "x.avatar", lambda entries: [*entries, entries[5]])
    refused(twice, other, "does not have the files of its list")
    twice = repacked(file, tmp_path / "x.avatar", lambda entries: [*entries, entries[0]])
    refused(twice, other, "does not have the files of its list")

    def list_twice(entries):
        files = json.loads(entries[0][1])["files"]
        return listed(entries, files=[*files, files[0]])

    refused(repacked(file, tmp_path / "x.avatar", list_twice), other, "a name appears twice")


def test_import_when_a_file_is_missing_or_not_listed_then_refused(file, tmp_path, other):
    less = repacked(file, tmp_path / "x.avatar", lambda entries: entries[:-1])
    refused(less, other, "does not have the files of its list")
    another = (zipfile.ZipInfo("avatar/more.json"), b"{}")
    instead = repacked(file, tmp_path / "x.avatar", lambda entries: [*entries[:-1], another])
    refused(instead, other, "does not have the files of its list")
    more = repacked(file, tmp_path / "x.avatar", lambda entries: [*entries, another])
    refused(more, other, "does not have the files of its list")


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFCHR])
def test_import_when_an_entry_is_a_link_or_a_device_then_refused(file, tmp_path, other, mode):
    def change(entries):
        entries[3][0].external_attr = (mode | 0o777) << 16
        return entries

    refused(repacked(file, tmp_path / "x.avatar", change), other, "an entry is not a file")


def test_import_when_an_entry_is_packed_in_another_way_then_refused(file, tmp_path, other):
    def change(entries):
        entries[3][0].compress_type = zipfile.ZIP_LZMA
        return entries

    refused(repacked(file, tmp_path / "x.avatar", change), other, "packed in an unknown way")


def external_weights():
    graph = student_graph(has_face=False)
    tensor = graph.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret")
    tensor.ClearField("raw_data")
    return graph.SerializeToString()


def pickled():
    buffer = BytesIO()
    np.savez(buffer, evil=np.array([{"a": 1}], dtype=object))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("models/ada-hd/more.onnx", external_weights, "refers to other files"),
        ("models/ada-hd/more.onnx", lambda: b"no graph", "not in ONNX format"),
        ("models/ada-hd/golden.npz", pickled, "its arrays are damaged"),
        ("avatar/pose/pose.json", lambda: b"{}", "cannot be used"),
        ("avatar/more.json", lambda: b"[" * 5000, "nested too deeply"),
        ("avatar/mask.png", lambda: b"GIF89a", "cannot be used: .*mask"),
        ("models/ada-hd/sensitivity.svg", lambda: b"<svg><script>alert(1)</script></svg>", "more than a picture"),
        ("models/ada-hd/sensitivity.svg", lambda: b"<svg onload='alert(1)'/>", "more than a picture"),
        (
            "models/ada-hd/student-fp32.onnx",
            lambda: student_graph(has_face=False).SerializeToString()[:-9],
            "not in ONNX format",
        ),
        ("models/ada-hd/student-fp16.onnx", lambda: student_graph(has_face=True).SerializeToString(), "checksum"),
    ],
)
def test_import_when_a_file_is_not_what_its_name_says_then_refused(file, tmp_path, other, name, content, sentence):
    failed = refused(repacked(file, tmp_path / "x.avatar", with_file(name, content())), other, "damaged|cannot be used")
    assert sentence.partition(":")[0] in str(failed)
    assert "unfinished" not in str(failed)


@pytest.mark.parametrize(
    ("what", "changes", "sentence"),
    [
        ("avatar", {"id": "bob"}, "the avatar has another id"),
        ("avatar", {"schema": 9}, "cannot be used"),
        ("avatar", {"mask_file": "../mask.png"}, "is not a file in this folder"),
        ("avatar", {"consent": {"person": ""}}, "cannot be used"),
        ("models/ada-hd", {"avatar_id": "bob"}, "belongs to another avatar"),
        ("models/ada-hd", {"id": "bob"}, "belongs to another avatar"),
        ("models/ada-hd", {"kind": "other"}, "cannot be used"),
        ("models/ada-hd", {"mel_fingerprint": "0"}, "another mel spectrogram"),
        ("models/ada-hd", {"golden_file": {"file": "/etc/passwd", "sha256": EMPTY}}, "is not a file in this folder"),
    ],
)
def test_import_when_a_description_does_not_fit_then_refused(file, tmp_path, other, what, changes, sentence):
    name = f"{what}/{'avatar' if what == 'avatar' else 'manifest'}.json"

    def change(entries):
        (found,) = (content for item, content in entries if item.filename == name)
        return with_file(name, json.dumps({**json.loads(found), **changes}).encode())(entries)

    refused(repacked(file, tmp_path / "x.avatar", change), other, sentence)


@given(data=st.data())
@FUZZ
def test_import_when_bytes_are_changed_then_one_sentence_or_the_same_avatar(file, source, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    paths = ProfilePaths(folder / "profile")
    content = file.read_bytes()
    # Of the whole file, of its directory, or of its end.
    at = data.draw(st.sampled_from((0, content.index(b"PK\1\2"), len(content) - 22)))
    (folder / "x.avatar").write_bytes(content[:at] + data.draw(bitten(content[at:])))
    imported_or_refused(folder / "x.avatar", paths)
    assert {path.name for path in folder.iterdir()} <= {"x.avatar", "profile"}
    shutil.rmtree(folder)


@given(data=st.data())
@FUZZ
def test_import_when_its_list_is_hostile_then_one_sentence(file, tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("fuzz")
    with zipfile.ZipFile(file) as packed:
        good = json.loads(packed.read("contents.json"))
    content = data.draw(changed(good))
    hostile = repacked(file, folder / "x.avatar", lambda entries: [(entries[0][0], content), *entries[1:]])
    imported_or_refused(hostile, ProfilePaths(folder / "profile"))
    shutil.rmtree(folder)


def imported_or_refused(file, paths):
    try:
        avatar_id = import_avatar(file, paths)
    except UserError as error:
        check_sentence(error)
        assert list_own(paths) == []
        assert not any(any(root.iterdir()) for root in (paths.avatars_dir, paths.models_dir) if root.exists())
    else:
        load_avatar(avatar_id, user_dir=paths.avatars_dir)


@given(name=st.text(max_size=30) | st.sampled_from(HOSTILE_NAMES).flatmap(lambda name: st.just(f"avatar/{name}")))
@FUZZ
def test_name_when_accepted_then_it_stays_in_the_folder(name):
    try:
        check_name(name)
    except ValueError:
        return
    assert name.isascii() and not name.startswith("/") and ".." not in name.split("/") and "\\" not in name


def test_contents_when_read_back_then_equal(file):
    with zipfile.ZipFile(file) as packed:
        data = json.loads(packed.read("contents.json"))
        assert packed.infolist()[0].filename == "contents.json"
        assert {item.date_time for item in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert Contents.from_json(data).to_json() == data
    assert data["avatar"] == "ada" and data["models"] == ["ada-hd"]
    assert not any("enrolments" in item["name"] for item in data["files"])


def test_import_when_the_model_has_an_extra_face_graph_then_it_is_opened_too(tmp_path, other):
    paths = ProfilePaths(tmp_path / "profile")
    write_own(paths, models=())
    folder = write_model(paths.models_dir / "ada-hd", has_face=True)
    change_manifest(folder, avatar_id="ada")
    whole = export_avatar("ada", tmp_path / "x.avatar", paths)
    assert import_avatar(whole, other) == "ada"
    (folder / "face.onnx").write_bytes(b"damaged")
    change_manifest(folder, face_file=entry(folder, "face.onnx"))
    change_avatar(paths.avatars_dir / "ada", title="B")
    refused(export_avatar("ada", tmp_path / "y.avatar", paths), ProfilePaths(tmp_path / "third"), "not in ONNX format")
