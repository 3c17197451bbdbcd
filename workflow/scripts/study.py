"""The merged study as one file. Snakemake runs this and hands over its param, which no command line could hold."""

from pathlib import Path

from stepladder.files import write_text

write_text(snakemake.params.study, Path(snakemake.output[0]))  # noqa: F821
