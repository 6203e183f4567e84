"""The lock files against pyproject.toml, without a network."""

import importlib
import re
import sys

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from avatar_app.live.webcam import package
from avatar_app.settings.paths import repo_root

tomllib = pytest.importorskip("tomllib", reason="Python 3.11 reads TOML")
PACKAGING = repo_root() / "packaging"
PROJECT = tomllib.loads((repo_root() / "pyproject.toml").read_text())
EXTRAS = {
    "run-cpu": ("cpu",),
    "run-gpu": ("gpu",),
    "test-cpu": ("cpu", "studio", "test"),
    "test-gpu": ("gpu", "studio", "test"),
}
SYSTEMS = (("linux", "Linux", "x86_64"), ("win32", "Windows", "AMD64"), ("darwin", "Darwin", "arm64"))
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")


@pytest.fixture
def environment(monkeypatch):
    """The module of that name beside the two commands."""
    monkeypatch.syspath_prepend(str(PACKAGING))
    yield importlib.import_module("environment")
    sys.modules.pop("environment", None)


def locked(file):
    """Requirements of a lock, and the hashes of each."""
    lines = file.read_text().replace("\\\n", " ").splitlines()
    found = []
    for line in lines:
        if line and not line.startswith("#"):
            requirement, *hashes = line.split("--hash=")
            found.append((Requirement(requirement.strip()), [one.strip() for one in hashes]))
    return found


def wanted(kind):
    """What pyproject.toml asks for in this kind of install, torch aside."""
    project = PROJECT["project"]
    lines = [*project["dependencies"], *PROJECT["build-system"]["requires"]]
    for extra in EXTRAS[kind]:
        lines += project["optional-dependencies"][extra]
    return [one for one in map(Requirement, lines) if one.name != "torch"]


def systems():
    """What markers ask about, for each system and Python."""
    for platform, name, machine in SYSTEMS:
        for python in PYTHONS:
            yield {
                **default_environment(), "sys_platform": platform, "platform_machine": machine, "extra": "",
                "platform_system": name, "python_version": python, "python_full_version": f"{python}.1",
            }  # fmt: skip


def holds(requirement, system):
    return requirement.marker is None or requirement.marker.evaluate(system)


@pytest.mark.parametrize("kind", EXTRAS)
def test_lock_when_pyproject_asks_then_each_system_gets_one_version_in_its_range(kind):
    lines = [requirement for requirement, _ in locked(PACKAGING / "locks" / f"{kind}.txt")]
    for system in systems():
        pins = {}
        for line in lines:
            if holds(line, system):
                name = canonicalize_name(line.name)
                assert name not in pins, f"{name} twice for {system}"
                pins[name] = next(iter(line.specifier)).version
        for need in wanted(kind):
            if holds(need, system):
                version = pins.get(canonicalize_name(need.name), "none")
                assert version != "none", f"{need} is missing: run packaging/lock.py"
                assert need.specifier.contains(version), f"{need} is locked as {version}: run packaging/lock.py"


@pytest.mark.parametrize("kind", EXTRAS)
def test_lock_when_run_and_tests_share_an_environment_then_they_agree(kind):
    runtime = kind.partition("-")[2]
    for system in systems():
        run, test = (
            {str(one.name): str(one.specifier) for one, _ in locked(PACKAGING / "locks" / f"{plan}-{runtime}.txt")
             if holds(one, system)}
            for plan in ("run", "test")
        )  # fmt: skip
        assert run.items() <= test.items()


@pytest.mark.parametrize(
    "file", [*sorted((PACKAGING / "locks").glob("*.txt")), package.LOCK], ids=lambda file: file.name
)
def test_lock_when_read_then_exact_versions_with_hashes_and_no_address(file):
    found = locked(file)
    assert len(found) >= 5
    for requirement, hashes in found:
        assert requirement.url is None
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier))
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes)
    assert not re.search(r"https?:|file:|index|find-links|(^| )/", file.read_text(), re.MULTILINE)


def test_locks_when_listed_then_one_for_each_kind_of_install(environment):
    plans = (environment.RUN, environment.TEST)
    runtimes = environment.ONNX_RUNTIME
    kinds = {f"{plan.name}-{runtime}": (runtime, *plan.extras) for plan in plans for runtime in runtimes}
    assert kinds == EXTRAS
    assert {file.stem for file in environment.LOCKS.glob("*")} == set(EXTRAS)
    assert environment.TRACKER_LOCK == package.LOCK


def test_torch_when_pinned_then_in_the_range_of_the_studio(environment):
    pinned = Requirement(environment.TORCH)
    studio = map(Requirement, PROJECT["project"]["optional-dependencies"]["studio"])
    ranges = [one.specifier for one in studio if one.name == pinned.name]
    assert [one.contains(next(iter(pinned.specifier)).version) for one in ranges] == [True]


def test_tracker_lock_when_read_then_all_that_mediapipe_needs_for_faces():
    names = {requirement.name for requirement, _ in locked(package.LOCK)}
    assert names == {"mediapipe", "absl-py", "attrs", "flatbuffers", "protobuf"}
