"""Files that a study needs and that are not there: one line for each, with its place."""

from study_files import edited, put, write

from stepladder.study.__main__ import main


def test_missing_file_and_folder(tmp_path, capsys):
    assert main(["check", str(tmp_path / "none.yaml")]) == 1
    assert capsys.readouterr().err == f"{tmp_path}/none.yaml: no such file\n"
    assert main(["check", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"{tmp_path}: is a folder; name a YAML file in it\n"


def test_missing_data_files_are_named(tmp_path, capsys):
    study = edited(put("questions.six.source", "local"), put("data_dir", str(tmp_path)))
    write_all = write(tmp_path / "study.yaml", study)
    (tmp_path / "equate").mkdir()
    (tmp_path / "equate" / "AWPNLI.csv").touch()
    assert main(["check", str(write_all)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1:3] for line in lines] == [
        ["questions.six.sets", f"no file qqa/{name} in data_dir {str(tmp_path)!r}; set data_dir or take source"]
        for name in ("QQA_train.json", "QQA_test.json")
    ]
