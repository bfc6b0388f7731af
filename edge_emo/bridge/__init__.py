"""The wire to a microcontroller: frames, messages, both state machines, and the open port.

``firmware_bridge/PROTOCOL.md`` is the one description of the protocol; the C library of
``firmware_bridge/c`` is the other end.
"""
