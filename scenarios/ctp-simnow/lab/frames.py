# SPDX-License-Identifier: BSD-2-Clause
"""What the front and the gateway say to each other: frames of a 4-byte length (network order) and so many bytes of JSON."""
import asyncio
import json
import struct

LENGTH = struct.Struct("!I")
LARGEST = 65536


async def receive(reader):
    """The next message; ConnectionError if the other end hangs up or sends something else."""
    try:
        length, = LENGTH.unpack(await reader.readexactly(LENGTH.size))
        if length > LARGEST:
            raise ConnectionError(f"a frame of {length} bytes")
        return json.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ValueError) as e:
        raise ConnectionError("end of stream") from e


def send(writer, **message):
    data = json.dumps(message).encode()
    writer.write(LENGTH.pack(len(data)) + data)
