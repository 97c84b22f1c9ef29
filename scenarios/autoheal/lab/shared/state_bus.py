# SPDX-License-Identifier: BSD-2-Clause
"""The state that the runtime's programs share: checked against its schema before it is written and after it is read, replaced whole, with
a backup beside it."""
import json
import time

from shared.runtime import ALERT, locked, log, misbehaves, read_json, write_json

PATH = "shared_data/state_bus.json"
BACKUP = "shared_data/state_bus_backup.json"
SCHEMA = {"version": int, "updated": float, "positions": dict, "mode": str}
DEFAULT = {"version": 1, "updated": 0.0, "positions": {}, "mode": "ok"}


def mistakes(state):
    if not isinstance(state, dict):
        return ["not an object"]
    return [f"{key} is no {kind.__name__}" for key, kind in SCHEMA.items() if not isinstance(state.get(key), kind)]


def alert(text):
    log("state_bus", text, "ERROR")
    write_json(ALERT, {"timestamp": time.time(), "file": PATH, "error": text})


class StateBus:
    @staticmethod
    def read():
        """Of the file, or what takes its place."""
        try:
            with open(PATH, encoding="utf-8") as f:
                state = json.load(f)
            wrong = mistakes(state)
        except FileNotFoundError:
            return dict(DEFAULT)
        except ValueError as e:
            wrong = [f"not JSON ({e})"]
        if not wrong:
            return state
        if misbehaves("crash-on-corrupt-state"):
            raise SystemExit(f"{PATH}: {', '.join(wrong)}")
        if misbehaves("trusts-corrupt-state"):
            return None
        alert(f"invalid state read: {', '.join(wrong)}; restored from the backup")
        state = read_json(BACKUP)
        state = dict(DEFAULT) if mistakes(state) else state
        write_json(PATH, state)
        return state

    def load_state(self):
        with locked(PATH):
            return self.read()

    def save_state(self, state=None, **changes):
        """A state that the schema does not allow is rejected: ValueError."""
        with locked(PATH):
            before = self.read()
            if before is None:
                return
            state = {**(before if state is None else state), **changes}
            wrong = mistakes(state)
            if wrong and not misbehaves("no-validation"):
                alert(f"invalid write rejected: {', '.join(wrong)}")
                raise ValueError(f"{PATH}: {', '.join(wrong)}")
            write_json(BACKUP, before)
            self.write({**state, "updated": time.time()})

    @staticmethod
    def write(state):
        if not misbehaves("torn-writes"):
            write_json(PATH, state)
            return
        text = json.dumps(state)
        for part in (text[:20], text):
            with open(PATH, "w", encoding="utf-8") as f:
                f.write(part)
            time.sleep(0.3)


def get_state_bus():
    return StateBus()
