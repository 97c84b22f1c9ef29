# SPDX-License-Identifier: BSD-2-Clause
"""The bot's metrics, in Prometheus' text format."""

BUCKETS_MS = (5, 10, 25, 50, 100, 150, 200, 250, 400, 700, 750, 800, 900, 1000, 1500, 2500, 5000)


class Metrics:
    def __init__(self):
        self.values = {}  # (name, labels): value
        self.kinds = {}
        self.histograms = {}  # name: [counts of BUCKETS_MS and beyond, sum]

    def add(self, name, n=1, **labels):
        self.kinds[name] = "counter"
        key = (name, tuple(labels.items()))
        self.values[key] = self.values.get(key, 0) + n

    def set(self, name, value, **labels):
        self.kinds[name] = "gauge"
        self.values[name, tuple(labels.items())] = value

    def observe(self, name, ms):
        histogram = self.histograms.setdefault(name, [[0] * (len(BUCKETS_MS) + 1), 0.0])
        histogram[0][sum(ms > limit for limit in BUCKETS_MS)] += 1
        histogram[1] += ms

    def text(self):
        lines = []
        for name, kind in self.kinds.items():
            lines.append(f"# TYPE {name} {kind}")
            for (of, labels), value in self.values.items():
                words = ",".join(f'{key}="{text}"' for key, text in labels)
                if of == name:
                    lines.append(f"{name}{{{words}}} {value}" if words else f"{name} {value}")
        for name, (counts, total) in self.histograms.items():
            lines.append(f"# TYPE {name} histogram")
            for i, limit in enumerate((*BUCKETS_MS, "+Inf")):
                lines.append(f'{name}_bucket{{le="{limit}"}} {sum(counts[:i + 1])}')
            lines += [f"{name}_sum {total:.3f}", f"{name}_count {sum(counts)}"]
        return "\n".join(lines) + "\n"
