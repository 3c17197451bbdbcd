"""The merged study as one file. Snakemake runs this and hands over its param, which no command line could hold."""

from pathlib import Path

from stepladder.files import atomic_path

with atomic_path(Path(snakemake.output[0])) as temporary:  # noqa: F821
    temporary.write_text(snakemake.params.study, encoding="utf-8")  # noqa: F821
