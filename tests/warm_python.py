"""Stands for `python SCRIPT ...` in the shell of a rule: a copy of the process of `warm.py` runs the script."""

import json
import os
import socket
import sys

with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    given = {"arguments": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}
    message = json.dumps(given).encode()
    socket.send_fds(server, [len(message).to_bytes(8)], [0, 1, 2])
    server.sendall(message)
    sys.exit(int(server.recv(16) or b"1"))
