"""Fake drivers for pyvirtualcam, and a fake system with any camera problem."""

import threading

import numpy as np


class FakeDriver:
    """Controls a fake driver; `make` returns the class that pyvirtualcam opens."""

    def __init__(self, device="/dev-of-test/video10"):
        self.device_name = device
        self.frames = []
        self.options = []
        self.open_error = ""
        self.send_error = ""
        self.n_closed = 0
        self.go_on = threading.Event()
        self.go_on.set()

    def make(self):
        driver = self

        class Backend:
            def __init__(self, **options):
                if driver.open_error:
                    raise RuntimeError(driver.open_error)
                driver.options.append(options)
                self.shape = options["height"], options["width"]

            def close(self):
                driver.n_closed += 1

            def send(self, frame):
                assert driver.go_on.wait(10)
                if driver.send_error:
                    raise RuntimeError(driver.send_error)
                driver.frames.append(np.array(frame))

            def device(self):
                return driver.device_name

            def native_fourcc(self):
                return None

        return Backend


class FakeProbe:
    """A system as a test describes it; anything else is missing."""

    def __init__(self, system="linux", release="6.1.0-28-amd64", **answers):
        self.system, self.release = system, release
        self.package = answers.get("package", True)
        self.files = answers.get("files", {})
        self.found = answers.get("found", {})
        self.writable = answers.get("writable", ())
        self.outputs = answers.get("outputs", {})
        self.classes = answers.get("classes", ())
        self.users = answers.get("users", {})
        self.error = answers.get("error", "")

    def has_package(self):
        return self.package

    def read(self, path):
        return self.files.get(path)

    def find(self, pattern):
        return tuple(self.found.get(pattern, ()))

    def can_write(self, path):
        return path in self.writable

    def run(self, *command):
        return self.outputs.get(" ".join(command))

    def has_class(self, clsid):
        return clsid in self.classes

    def users_of(self, path):
        return self.users.get(path, ())

    def open_error(self):
        return self.error
