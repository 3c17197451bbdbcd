"""Hostile names and texts: the check refuses them with one line, or they arrive letter by letter and run nothing."""

import copy
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from snakemake.utils import QuotedFormatter

from stepladder.report.cells import AVERAGE, Cell, Line
from stepladder.report.figures import draw_bars
from stepladder.report.layout import Layout
from stepladder.report.render import render_html, render_latex, render_markdown
from stepladder.report.tables import ResultTable
from stepladder.study.canonical import canonical_json
from stepladder.study.faults import StudyFaults
from stepladder.study.graph import Study, build
from stepladder.study.load import Sources

HOSTILE = [
    "x; touch pwned", "$(touch pwned)", "`touch pwned`", "a'b", 'a"b', "a'; touch pwned; '", "a\ntouch pwned", "a\0b",
    "../../etc/passwd", "/etc/passwd", "-rf", "--config", "a b", "a|b", "a&b", "a>b", "*", "~", "{name}", "{{x}}",
    "{params.study}", "%s", "\\", "\\'", "ünïcödé", "\u202eevil", "\ud800", "a\u2028b", "", " ", ".", "..", "\t", "#x",
    "<script>alert(1)</script>", "\\input{/etc/passwd}", "$\\frac{$", "=cmd()", "!ls", "a\r\nb", "%",
    "[x](javascript:y)",
]  # fmt: skip
texts = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20), st.text("'\"$();`\\{}\n ./-|&<>*", max_size=12))
SMALL = {
    "study": "small",
    "results": "results",
    "questions": {"two": {"source": "generated", "sets": ["qqa"], "splits": {"sft": 9, "test": 3}}},
    "models": {"tiny": {"source": "new"}},
    "policies": {"base": {"method": "pretrain", "model": "tiny"}},
    "evaluations": {"base": {"policy": "base", "questions": "two", "split": "test", "samples": 0}},
    "tables": {"main": {"title": "t", "baseline": "b", "rows": [{"label": "b", "evaluation": "base"}]}},
}
NAMES = ["study", "node", "split", "folder", "reported"]
PLACES = [*NAMES, "results", "data_dir", "models_dir", "tracking", "title", "label"]


def with_text(place: str, text: str) -> dict:
    """The small study with the text at one place where a user may write what he likes."""
    config = copy.deepcopy(SMALL)
    match place:
        case "node":
            config["models"] = {text: {"source": "new"}, **config["models"]}
        case "split":
            config["questions"]["two"]["splits"][text] = 3
        case "title":
            config["tables"]["main"]["title"] = text
        case "label":
            config["tables"]["main"] |= {"baseline": text, "rows": [{"label": text, "evaluation": "base"}]}
        case "folder":
            config["models"]["mine"] = {"source": "local", "folder": text}
        case "reported":
            config["tables"]["main"]["reported"] = text
        case _:
            config[place] = text
    return config


def everything_a_rule_passes(study: Study) -> list[str]:
    """Every text of a study that stands in a shell command: jobs, folders, files, checkpoints."""
    own = study.settings
    words = [own.data_dir, own.models_dir, study.root, study.engine(), canonical_json(own.model_dump(mode="json"))]
    for stage, name in study.nodes:
        inputs = study.inputs(stage, name, 0).values()
        words += [study.job(stage, name), study.folder(stage, name, 0), study.checkpoint(stage, name, 0)]
        words += [path for paths in inputs for path in ([paths] if isinstance(paths, str) else paths)]
    return words


@settings(max_examples=150, deadline=None)
@given(place=st.sampled_from(PLACES), text=texts)
@example(place="title", text="$(touch pwned)")
@example(place="results", text="x; touch pwned")
@example(place="label", text="a'b\"; touch pwned #")
def test_a_hostile_text_is_refused_with_one_line_or_reaches_the_program_as_it_is(place, text):
    try:
        study = build(with_text(place, text), Sources([]))
    except StudyFaults as faults:
        assert faults.lines and all(line.isprintable() for line in faults.lines)
        return
    words = everything_a_rule_passes(study)
    assert not any("{" in word for word in (study.root, study.settings.data_dir, study.settings.models_dir))
    formatter = QuotedFormatter()
    command = "printf '%s\\0' " + " ".join(formatter.format("{word:q}", word=word) for word in words)
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", command], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == words


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("place", NAMES)
def test_names_that_become_paths_stay_inside_their_folder(place, text):
    try:
        study = build(with_text(place, text), Sources([]))
    except StudyFaults:
        return
    assert re.fullmatch(r"[\w-]+", text) and study.root.startswith("results/")


@given(label=texts.filter(str.isprintable).filter(bool), title=texts.filter(str.isprintable).filter(bool))
@settings(max_examples=100, deadline=None)
def test_labels_and_titles_are_only_text_in_every_form_of_a_table(label, title):
    layout = Layout(title, ["method", f"vs {label}"], [[label, "1.0 [0.5, 1.5]"]], [False], [f"vs {label}: a note."])

    class Page(HTMLParser):
        tags, words = [], []

        def handle_starttag(self, tag, attrs):
            self.tags.append(tag)

        def handle_data(self, data):
            self.words.append(data)

    page = Page()
    page.tags, page.words = [], []
    page.feed(render_html(layout))
    assert page.tags == [
        "html", "head", "meta", "title", "style", "body", "table", "caption", "thead", "tr", "th", "th", "tbody", "tr",
        "td", "td", "p",
    ]  # fmt: skip
    assert {title, label, f"vs {label}"} <= set(page.words)

    markdown = render_markdown(layout)
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines] == [3, 3, 3]
    assert not re.search(r"(?<!\\)(?:\\\\)*[<`]", markdown)

    latex = render_latex(layout)
    said = latex[latex.index(r"\midrule") : latex.index(r"\bottomrule")].removeprefix(r"\midrule")
    commands = set(re.findall(r"\\([A-Za-z]+)", said))
    assert commands <= {"textbackslash", "textasciitilde", "textasciicircum"}
    assert "\n%" not in latex.split("\n", 2)[2] and latex.count("\n") == 10


@pytest.mark.parametrize("text", ["$\\frac{$", "$x", "a_b^c", "50 % & more"])
def test_a_figure_prints_a_label_as_it_is(tmp_path, text):
    cell = Cell(mean=50.0, low=40.0, high=60.0)
    line = Line(label=text, source="evaluations.base", cells={AVERAGE: cell}, reported=False, questions={"qqa": 3})
    table = ResultTable(title=text, baseline=text, sets=("qqa",), seeds=1, lines=(line,))
    draw_bars(table, tmp_path / "bars.png")
    assert (tmp_path / "bars.png").stat().st_size > 0


@pytest.fixture
def project(tmp_path, root) -> Path:
    """The project in a folder of its own, so that whatever a command leaves behind is seen."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("Snakefile", "workflow", "config", "profiles", "src"):
        (folder / name).symlink_to(root / name)
    return folder


def snakemake(project: Path, *arguments: str) -> subprocess.CompletedProcess:
    command = [str(Path(sys.executable).parent / "snakemake"), "--nolock", "--profile", "profiles/local", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("results=a{b}", "--config: results: a folder's name must hold no braces"),
        ("data_dir=-rf", "--config: data_dir: a folder's name must not begin with '-'"),
        ("study=x; touch pwned", "--config: study: must match"),
        ("tracking=http://user:planted@host:5000", "--config: tracking: a tracking URI holds no user and no password"),
    ],
)
def test_a_hostile_setting_on_the_command_line_is_one_line(project, setting, said):
    (project / "study.yaml").write_text(yaml.safe_dump(SMALL))
    done = snakemake(project, "--dry-run", "--configfile", "study.yaml", "--config", setting)
    assert done.returncode != 0 and said in done.stderr and "Traceback" not in done.stderr
    assert "planted" not in done.stdout + done.stderr
    assert not list(project.rglob("*pwned*"))


def test_a_job_runs_in_folders_with_hostile_names(project):
    """One real job and the ingest of its result; the names are quotes, commands and spaces."""
    results, data = "x; touch pwned; $(touch pwned) `touch pwned` 'a' \"b\" & ü", "d'a\"ta $(touch pwned);"
    (project / data / "equate").mkdir(parents=True)
    hostile = "\"$(touch pwned), '; touch pwned; '\",`touch pwned`,option 1"
    plain = [f"Ben had {number} shells .,Ben has {number} shells now .,option 1" for number in (3, 5, 7)]
    lines = ["premise,hypothesis,label", hostile, *plain]
    (project / data / "equate/AWPNLI.csv").write_text("\n".join(lines) + "\n")
    questions = {"source": "local", "sets": ["awpnli"], "splits": {"sft": 0.5}}
    config = {"study": "hostile", "data_dir": data, "questions": {"mine": questions}}
    (project / "study.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(project, "--configfile", "study.yaml", "--config", f"results={results}")
    assert done.returncode == 0, done.stderr[-3000:]
    report = json.loads((project / results / "hostile/tracking.json").read_text())
    assert report["created"] == 1
    assert not [path for path in project.rglob("pwned")]
