# SPDX-License-Identifier: BSD-2-Clause
"""A headless Chromium, driven over a pair of pipes by its DevTools protocol.

The protocol: https://chromedevtools.github.io/devtools-protocol/; --remote-debugging-pipe reads JSON messages from
descriptor 3 and writes them to descriptor 4, each with a NUL behind it.
"""
import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE_S = 300
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
         "--disable-default-apps", "--hide-scrollbars", "--remote-debugging-pipe")


class Gone(AssertionError):
    """Chromium ended, or answered with an error."""


class Browser:
    """One tab. `messages`: what it wrote to its console and log; `requests`: the addresses it asked for."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="shearpin-chromium-")
        self.number, self.rest, self.session = 0, b"", None
        self.events, self.messages, self.requests = [], [], []
        commands, self.write_fd = os.pipe()
        self.read_fd, answers = os.pipe()
        try:
            self.process = self.spawn(commands, answers)
        finally:
            os.close(commands)
            os.close(answers)
        try:
            self.attach()
        except BaseException:
            self.close()
            raise

    def spawn(self, commands, answers):
        """Chromium, with the pipes' ends as descriptors 3 and 4."""
        # First to numbers well above 4, so that neither is overwritten before it is put into its place.
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (commands, answers)]
        shell = f'exec "$@" 3<&{high[0]} 4>&{high[1]} {high[0]}<&- {high[1]}>&-'
        try:
            return subprocess.Popen(
                ["bash", "-c", shell, "bash", PROGRAM, *FLAGS, f"--user-data-dir={self.folder}", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=high,
                env={**os.environ, "HOME": self.folder, "XDG_CONFIG_HOME": self.folder,
                     "XDG_CACHE_HOME": self.folder}, start_new_session=True)
        finally:
            for fd in high:
                os.close(fd)

    def attach(self):
        """To a new tab."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (Gone, OSError):
            pass
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.write_fd)
        os.close(self.read_fd)
        shutil.rmtree(self.folder, ignore_errors=True)

    # The protocol

    def read(self, deadline):
        """The next message."""
        while b"\0" not in self.rest:
            if not select.select([self.read_fd], [], [], max(0, deadline - time.monotonic()))[0]:
                raise Gone(f"Chromium said nothing for {PATIENCE_S} s")
            data = os.read(self.read_fd, 1 << 20)
            if not data:
                raise Gone("Chromium has ended")
            self.rest += data
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def note(self, message):
        """What an event says, for those who ask later."""
        method, parameters = message["method"], message.get("params", {})
        if method == "Runtime.consoleAPICalled":
            self.messages.append((parameters["type"], str(parameters["args"])))
        elif method == "Runtime.exceptionThrown":
            self.messages.append(("exception", str(parameters["exceptionDetails"])))
        elif method == "Log.entryAdded":
            self.messages.append((parameters["entry"]["level"], parameters["entry"]["text"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"]["url"])
        self.events.append(method)

    def call(self, method, **parameters):
        """The result of a method of the protocol."""
        self.number += 1
        request = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            request["sessionId"] = self.session
        data = json.dumps(request).encode() + b"\0"
        while data:
            data = data[os.write(self.write_fd, data):]
        deadline = time.monotonic() + PATIENCE_S
        while True:
            message = self.read(deadline)
            if "method" in message:
                self.note(message)
            elif message["id"] == self.number:
                if "error" in message:
                    raise Gone(f"{method}: {message['error']}")
                return message["result"]

    def wait_event(self, method):
        deadline = time.monotonic() + PATIENCE_S
        while method not in self.events:
            message = self.read(deadline)
            if "method" in message:
                self.note(message)

    # What a test does

    def open(self, path, width=1280, height=900, scheme="light", media="screen"):
        """Load a file; the console's messages and the requests are those from here on."""
        self.look(width, height, scheme, media)
        self.events, self.messages, self.requests = [], [], []
        self.call("Page.navigate", url=f"file://{path}")
        self.wait_event("Page.loadEventFired")
        self.evaluate("document.fonts.ready.then(() => true)")

    def look(self, width=1280, height=900, scheme="light", media="screen"):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media,
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def evaluate(self, expression):
        """The value of a JavaScript expression, or of what it promises."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise Gone(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def screenshot(self, path):
        """The whole page as PNG."""
        result = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(path, "wb") as f:
            f.write(base64.b64decode(result["data"]))

    def pdf(self):
        """The page as it is printed."""
        self.call("Emulation.setEmulatedMedia", media="", features=[])
        return base64.b64decode(self.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)["data"])
