"""What no file of the project may do: run text as code, unpickle, read YAML unsafely, or give a shell unquoted text."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))
SOURCES = [*(ROOT / "src").rglob("*.py"), *(ROOT / "workflow/scripts").glob("*.py"), *RULES, ROOT / "Snakefile"]
FORBIDDEN = {
    "unsafe YAML": r"yaml\.(load|load_all|full_load\w*|unsafe_load\w*|Loader|FullLoader|UnsafeLoader|CLoader)\b",
    "a pickle": r"import (pickle|cPickle|dill|joblib|shelve|marshal)\b|torch\.load\(|allow_pickle",
    "text as code": r"(?<![\w.])(eval|exec|compile)\(|__import__\(",
    "a shell": r"shell=True|os\.(system|popen)\(",
    "code of others": r"trust_remote_code\"?[=:] *True",
    "weights that may be pickles": r"\.from_pretrained\(",
    "the whole environment": r"dict\(os\.environ\)|os\.environ\.(items|copy)\(|\*\*os\.environ",
    "an address that others can reach": r"0\.0\.0\.0",
}
# These say from_pretrained with all that keeps it safe, and test_security_checkpoints.py looks at what they do.
LOADING = {"pretrained.py", "tokens.py"}
# Every other placeholder is quoted. These hold digits, or words that no study can choose.
PLAIN = {"{wildcards.seed}", "{wildcards.scatteritem}", "{params.seconds}", "{params.launch}"}


def code_of(path: Path) -> str:
    """A file without its comments and docstrings, in which a word may be spoken of."""
    text = re.sub(r'"""(.|\n)*?"""', "", path.read_text(encoding="utf-8"))
    return re.sub(r"(?m)#.*$", "", text)


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_source_holds(what):
    assert len(SOURCES) > 100
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in SOURCES
        if path.name not in LOADING or "pickles" not in what
        for match in re.finditer(FORBIDDEN[what], code_of(path))
    ]
    assert not found


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("unsafe YAML", "study = yaml.load(text)"),
        ("a pickle", "torch.load(path)"),
        ("text as code", "x = eval(text)"),
        ("a shell", "run(text, shell=True)"),
        ("code of others", 'load(trust_remote_code=True)'),
        ("weights that may be pickles", "AutoModel.from_pretrained(x)"),
        ("the whole environment", "write(dict(os.environ))"),
        ("an address that others can reach", 'serve("0.0.0.0")'),
    ],
)  # fmt: skip
def test_the_patterns_find_what_they_look_for(what, line):
    assert re.search(FORBIDDEN[what], line)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.stem)
def test_every_placeholder_of_a_shell_command_is_quoted(path):
    commands = re.findall(r"(?m)^    shell:\n((?: {8}.*\n)+)", path.read_text(encoding="utf-8"))
    placeholders = {found for command in commands for found in re.findall(r"\{[^}]*\}", command)}
    assert {found for found in placeholders if not found.endswith(":q}")} <= PLAIN
    assert path.stem == "common" or placeholders


def test_what_listens_by_default_listens_on_loopback():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    servers = [line for line in text.splitlines() if "mlflow ui" in line or "mlflow server" in line]
    assert servers and all("--host 127.0.0.1" in line for line in servers)
