"""Says of every name that it does not exist: what containers may ask in a network from which nobody else can be asked.

try.sh starts it beside the Docker that it starts; it ends with that.
"""
import ctypes
import signal
import socket

# With its parent, however that ends: PR_SET_PDEATHSIG.
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("0.0.0.0", 53))
while True:
    query, sender = server.recvfrom(4096)
    # The question ends with its name (a zero), type and class; the answer repeats it, with the code for "no such name".
    question = query[12 : query.index(0, 12) + 5]
    server.sendto(query[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + question, sender)
