"""Kept work that was damaged is made anew, whichever file it was; what is whole is used."""

import shutil

import pytest

import tiny
from damage import DAMAGES, small_disk
from stepladder.errors import StepladderError
from stepladder.generation.chunks import chunks, in_chunks
from stepladder.records import SCORES
from stepladder.training.kept import check_seal, newest_first


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A whole training's weights, and the checkpoints of one that was stopped after steps 3 and 6 of 12."""
    folder = tmp_path_factory.mktemp("trained")
    whole, stopped = tiny.LanguageRun(), tiny.LanguageRun()
    whole.fit(folder / "whole")
    for step in (3, 6):
        stopped.trainer.steps_done = step - 3
        for batch in stopped.batches[step - 3 : step]:
            stopped.trainer.step(batch, stopped.weight(batch), stopped.loss)
        stopped.trainer.save_checkpoint(folder / f"after-{step}", {"note": step})
    return whole, folder


@pytest.fixture
def kept(trained, tmp_path):
    for step in (3, 6):
        shutil.copytree(trained[1] / f"after-{step}", tmp_path / "kept", dirs_exist_ok=True)
    return tmp_path / "kept"


def files_of_a_checkpoint(tmp_path_factory) -> list[str]:
    run = tiny.LanguageRun()
    run.steps(1)
    run.trainer.save_checkpoint(tmp_path_factory, {})
    return sorted(path.name for path in (tmp_path_factory / "step-1").iterdir())


def test_a_checkpoint_has_weights_optimizer_draws_and_a_seal(tmp_path):
    names = files_of_a_checkpoint(tmp_path)
    assert "trainer.json" in names and len(names) >= 4
    assert any("model" in name for name in names) and any("optimizer" in name for name in names)


@pytest.mark.parametrize("damage", DAMAGES)
def test_training_goes_on_from_the_checkpoint_before_a_damaged_one(kept, trained, damage, capsys):
    """Every file of the newest checkpoint in turn; the end is that of a training that was never stopped."""
    whole, folder = trained
    names = sorted(path.name for path in (kept / "step-6").iterdir())
    for name in names:
        shutil.rmtree(kept)
        for step in (3, 6):
            shutil.copytree(folder / f"after-{step}", kept, dirs_exist_ok=True)
        DAMAGES[damage](kept / "step-6" / name)
        run = tiny.LanguageRun()
        assert run.trainer.load_checkpoint(kept) == {"note": 3}, name
        (line,) = capsys.readouterr().err.splitlines()
        assert f"step-6/{name}" in line and "made anew" in line
        assert newest_first(kept) == [kept / "step-3"]
    for batch in run.batches[3:]:
        run.trainer.step(batch, run.weight(batch), run.loss)
    assert tiny.furthest(run.weights(), whole.weights()) == 0.0


def test_a_whole_checkpoint_is_used(kept, capsys):
    run = tiny.LanguageRun()
    assert run.trainer.load_checkpoint(kept) == {"note": 6}
    assert run.trainer.steps_done == 6 and capsys.readouterr().err == ""
    check_seal(kept / "step-6")


def test_without_a_whole_checkpoint_training_starts_anew(kept, trained):
    for step in (3, 6):
        (kept / f"step-{step}" / "trainer.json").write_text("{}")
    run = tiny.LanguageRun()
    run.fit(kept)
    assert tiny.furthest(run.weights(), trained[0].weights()) == 0.0


def rows_of(chunk, label):
    return [{"question_id": key, "sample": 0, "step": 0, "logit": 0.0, "score": 0.5} for key in chunk]


@pytest.mark.parametrize("damage", DAMAGES)
def test_only_a_damaged_chunk_is_made_anew(tmp_path, damage, capsys):
    job = tiny.job(tmp_path, "scores", {"prm": "p", "trajectories": "t"})
    pieces = chunks([f"q{number}" for number in range(7)], 2)
    whole = in_chunks(job, pieces, SCORES, rows_of, tmp_path / "kept")
    capsys.readouterr()
    DAMAGES[damage](tmp_path / "kept" / "chunk-2.parquet")
    made = []

    def again(chunk, label):
        made.append(list(chunk))
        return rows_of(chunk, label)

    assert in_chunks(job, pieces, SCORES, again, tmp_path / "kept") == whole
    assert made == [["q4", "q5"]]
    said = capsys.readouterr().err.splitlines()
    if damage == "missing":
        assert said == []
    else:
        assert len(said) == 1 and "chunk-2.parquet" in said[0] and "made anew" in said[0]


def test_a_full_disk_while_a_checkpoint_is_kept(tmp_path, kept):
    """The line names the checkpoint, nothing half-written stays, and the one before is still there."""
    run = tiny.LanguageRun()
    run.trainer.load_checkpoint(kept)
    run.steps(1)
    before = sorted(kept.iterdir())
    with small_disk(), pytest.raises(StepladderError, match=r"step-7: cannot be written") as error:
        run.trainer.save_checkpoint(kept, {})
    assert "\n" not in str(error.value)
    assert sorted(kept.iterdir()) == before
