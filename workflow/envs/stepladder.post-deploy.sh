#!/usr/bin/env bash
# Installs the package and what it needs on a GPU machine; runs in the project's root. uv knows the project's overrides.
set -euo pipefail
python -m pip install uv
uv pip install --python "$(command -v python)" --compile-bytecode --constraint constraints-gpu.txt --editable ".[gpu]"
