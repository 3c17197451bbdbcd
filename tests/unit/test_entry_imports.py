"""What an entry point loads before it starts: a light job must not wait seconds for libraries that it never calls."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
HEAVY = {
    "torch", "vllm", "transformers", "deepspeed", "accelerate", "mlflow", "matplotlib", "sklearn", "scipy", "pandas",
    "huggingface_hub", "snakemake",
}  # fmt: skip
# The heavy libraries that light entry points may load, themselves or through others.
LIGHT = {
    "questions": set(),
    "audit": set(),
    "contamination_table": set(),
    "gather": set(),
    "pairs": set(),
    "reward": set(),
    "costs": set(),
    "table": {"matplotlib"},
    "step_table": {"matplotlib"},
    "efficiency_table": {"matplotlib"},
    "value_table": {"matplotlib"},
    "ranking_table": set(),
    "position_table": {"matplotlib"},
    "length_table": set(),
    "published_labels": set(),
}
# The heavy libraries that modules of ours may name at their top, where an entry point loads a model or a database.
MODEL = {"torch", "transformers", "accelerate"}
NAMED = {
    "model": MODEL,
    "score": MODEL,
    "judge": MODEL,
    "candidates": MODEL,
    "solutions": MODEL,
    "reference": MODEL,
    "pretrain": MODEL,
    "sft": MODEL,
    "restem": MODEL,
    "choose": MODEL,
    "dpo": MODEL,
    "prm": MODEL,
    "sample": MODEL | {"vllm"},
    "label": MODEL | {"vllm"},
    "roll_out": MODEL | {"vllm"},
    "evaluate": MODEL | {"vllm"},
    "ppo": MODEL | {"vllm"},
    "track": {"mlflow", "pandas"},
}
ENTRY = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("entry", sys.argv[1])
spec.loader.exec_module(importlib.util.module_from_spec(spec))
print(json.dumps(sorted(sys.modules)))
"""
STUDY = """
import json, sys
from pathlib import Path
sources = Sources([Path("config/config.yaml")])
study = build(sources.merged(), sources)
for key in study.nodes:
    study.job(*key), study.checkpoint(*key, 0), study.inputs(*key, 0), study.request("score", *key)
print(json.dumps(sorted(sys.modules)))
"""
TRAINING = """
import json, sys
from pathlib import Path
from transformers import LlamaConfig, LlamaForCausalLM
from stepladder.rewards.training import Trainer
from stepladder.study.optimisation import Optimisation
sizes = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1)
model = LlamaForCausalLM(LlamaConfig(vocab_size=8, **sizes))
trainer = Trainer(model, [(model, 1e-3)], Optimisation(), 1, 0)
trainer.step([0], 1.0, lambda model, rows: (sum(weight.sum() for weight in model.parameters()), {}))
trainer.save_checkpoint(Path(sys.argv[1], "kept"), {})
model.save_pretrained(Path(sys.argv[1], "model"))
print(json.dumps(sorted(sys.modules)))
"""


def _loaded(code: str, *arguments: str) -> set[str]:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def _named(entry: Path) -> set[str]:
    """The libraries named by the imports at the top of a file and of all files of ours that these load."""
    found: set[str] = set()
    files, seen = [entry], {entry}
    while files:
        names: set[str] = set()
        for statement in ast.parse(files.pop().read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Import):
                names |= {alias.name for alias in statement.names}
            if isinstance(statement, ast.ImportFrom) and statement.module:
                names |= {statement.module, *(f"{statement.module}.{alias.name}" for alias in statement.names)}
        for name in names:
            inner = SOURCE / Path(*name.split("."))
            ours = {inner.with_suffix(".py"), inner / "__init__.py", inner.parent / "__init__.py"}
            files += [file for file in ours - seen if file.is_file()]
            seen |= ours
        found |= {name.partition(".")[0] for name in names}
    return found


def test_every_entry_point_is_listed_here():
    scripts = {path.stem for path in (ROOT / "workflow" / "scripts").glob("*.py")}
    assert set(LIGHT) | set(NAMED) == scripts - {"study"}  # which runs inside Snakemake


@pytest.mark.parametrize("name", LIGHT)
def test_a_light_entry_point_loads_light_libraries(name):
    loaded = _loaded(ENTRY, f"workflow/scripts/{name}.py")
    assert "stepladder" in loaded and loaded & HEAVY <= LIGHT[name]


@pytest.mark.parametrize("name", NAMED)
def test_an_entry_point_names_the_libraries_that_it_needs(name):
    named = _named(ROOT / "workflow" / "scripts" / f"{name}.py")
    assert named & HEAVY <= NAMED[name]
    assert named & HEAVY


def test_a_training_without_deepspeed_or_adapters_loads_neither(tmp_path):
    loaded = _loaded(TRAINING, str(tmp_path))
    assert "accelerate" in loaded and (tmp_path / "model" / "model.safetensors").is_file()
    assert not loaded & {"deepspeed", "peft"}


def test_what_snakemake_loads_for_every_job_is_light():
    """A remote job parses the workflow again before it starts: all that the rules import, and the study."""
    files = [ROOT / "Snakefile", *sorted((ROOT / "workflow" / "rules").glob("*.smk"))]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    imports = [line for line in lines if line.startswith(("from ", "import ")) and "snakemake" not in line]
    assert any("stepladder.study.graph" in line for line in imports)
    loaded = _loaded("\n".join(imports) + STUDY)
    assert "pydantic" in loaded
    assert not loaded & (HEAVY | {"pyarrow", "numpy"})


def test_no_entry_point_stands_in_for_a_module_of_the_library():
    """Python looks for modules beside the script first: a select.py there breaks every socket."""
    scripts = {path.stem for path in (ROOT / "workflow" / "scripts").glob("*.py")}
    assert not scripts & set(sys.stdlib_module_names)
