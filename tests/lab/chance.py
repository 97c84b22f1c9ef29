# SPDX-License-Identifier: BSD-2-Clause
"""The draws that decide about a packet or a flow, computed again from what the packet shows: docs/scenario.md, Seeds,
and bpf/chance.bpf.h. They are written down here a second time on purpose: a seed in somebody's report must mean the same
packets in every version."""
import ipaddress
import struct

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15
ALWAYS = 1 << 32
SHARE, FLOW, LOSS = 0x5348, 0x464C, 0x4C4F
STEP, STATE_LOSS = 0x4745, 0x474C  # of Gilbert and Elliott
DELAYED, JITTER, DUPLICATE, CORRUPT, REORDER = 0x4445, 0x4A49, 0x4455, 0x434F, 0x5245
DISCONNECT = 0x4443
QUERY = 0x5155
RESPONSE, ANSWER = 0x5253, 0x414E
TAKEN = 0x544B
AS_BEFORE = 0x10000
LOG_BITS = 27
IN, OUT = 0, 1
TCP, UDP = 6, 17


def mix(x):
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def rule_seed(seed, rule=0):
    return mix((seed + (rule + 1) * GOLDEN) & MASK)


def words(address):
    address = ipaddress.ip_address(address)
    packed = address.packed if address.version == 6 else b"\0" * 10 + b"\xff\xff" + address.packed
    return struct.unpack("=4I", packed)


def flow_hash(local, local_port, remote, remote_port, proto):
    h = proto << 32 | local_port << 16 | remote_port
    for l, r in zip(words(local), words(remote)):
        h = mix((h + GOLDEN + (l << 32 | r)) & MASK)
    return h


def draw(seed, what, flow, direction=IN, index=0):
    """32 bits. seed is the rule's; index counts the flow's packets in this direction, within the window."""
    return mix(mix(seed ^ what) ^ flow ^ mix((direction + 1) << 32 | index)) >> 32


def threshold(percent):
    return round(percent * ALWAYS / 100)


def lost(seed, percent, flow, direction, count):
    """The indices of the packets that are lost among the first `count` of a flow."""
    below = threshold(percent)
    seed = rule_seed(seed)
    return {i for i in range(count) if draw(seed, LOSS, flow, direction, i) < below}


def lots(seed, what, flow, direction, count, correlation=0.0):
    """The lots of the first `count` packets of a flow for the first rule; the correlation is in percent."""
    seed, follow = rule_seed(seed), threshold(correlation)
    found = []
    for i in range(count):
        if found and follow and draw(seed, what | AS_BEFORE, flow, direction, i) < follow:
            found.append(found[-1])
        else:
            found.append(draw(seed, what, flow, direction, i))
    return found


def hits(seed, what, percent, flow, direction, count, correlation=0.0):
    """The indices of those packets whose lot is below the percentage."""
    below = threshold(percent)
    return {i for i, lot in enumerate(lots(seed, what, flow, direction, count, correlation)) if lot < below}


def lost_by_states(seed, model, flow, direction, count):
    """The same for the loss of Gilbert and Elliott; model is (p, r, bad, good) in percent. A flow begins in the good
    state, and each packet decides about the state that the next one meets."""
    p, r, bad, good = map(threshold, model)
    seed = rule_seed(seed)
    found, is_bad = set(), False
    for i in range(count):
        if draw(seed, STATE_LOSS, flow, direction, i) < (bad if is_bad else good):
            found.add(i)
        is_bad = draw(seed, STEP, flow, direction, i) < (ALWAYS - r if is_bad else p)
    return found


def uniform_delay(delay_ns, jitter_ns, lot):
    """What a packet is delayed by."""
    return delay_ns - jitter_ns + (jitter_ns * (lot >> 8) >> 23)


def minus_ln(lot):
    """-ln((2 lot + 1) / 2^33) in units of 2^-LOG_BITS, by squaring the mantissa."""
    number = 2 * lot + 1
    log = number.bit_length() - 1
    mantissa = number >> log - 31 if log > 31 else number << 31 - log
    for _ in range(LOG_BITS):
        mantissa = mantissa * mantissa >> 31
        bit = mantissa >> 32
        mantissa >>= bit
        log = log << 1 | bit
    return ((33 << LOG_BITS) - log) * 0xB17217F8 >> 32


def exponential(mean_ns, lot):
    factor = minus_ln(lot)
    return ((mean_ns >> 32) * factor << 32 - LOG_BITS) + ((mean_ns & 0xFFFFFFFF) * factor >> LOG_BITS)


def disconnect(seed, mean_ns, flow):
    """The time that a connection has under `disconnects` of the first rule, in its first window."""
    return exponential(mean_ns, draw(rule_seed(seed), DISCONNECT, flow))
