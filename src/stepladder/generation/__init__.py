"""Sampling with vLLM. How vLLM runs is settled here, before anything in this room can import it."""

import logging
import os

os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
os.environ.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
os.environ.setdefault("VLLM_CONFIGURE_LOGGING", "0")
# An engine that is alone talks to nobody: what it listens on must not be seen from other machines.
if "RANK" not in os.environ:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
logging.getLogger("vllm").setLevel(logging.ERROR)
